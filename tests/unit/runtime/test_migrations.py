"""SQL of migrations, judged without a database."""

from __future__ import annotations

import pytest

from estiba_runtime import migrations


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("ALTER TABLE a DROP note", ["DROP note"]),
        ("alter table a\n  drop if exists note, drop constraint c", ["drop if exists note"]),
        ("ALTER TABLE a DROP COLUMN note", ["DROP COLUMN"]),
        ("ALTER TABLE a ADD open boolean NOT NULL", ["ADD open boolean NOT NULL"]),
        ("ALTER TABLE a ADD COLUMN b numeric(9, 2) NOT NULL, ADD c int", ["ADD COLUMN b numeric(9, 2) NOT NULL"]),
        ("ALTER TABLE a ADD b int, ADD c int NOT NULL", ["ADD c int NOT NULL"]),
        ("DROP MATERIALIZED VIEW v", ["DROP MATERIALIZED VIEW"]),
        ("DROP FUNCTION f()", ["DROP FUNCTION"]),
        ("ALTER TABLE a ALTER b SET NOT NULL; ALTER TABLE a DROP c", ["SET NOT NULL", "DROP c"]),
    ],
)
def test_sql_that_takes_something_away_is_found(sql: str, said: list[str]) -> None:
    """PostgreSQL takes most words in several ways."""
    assert migrations.find_sql(sql) == said


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE a DROP CONSTRAINT c, ALTER b DROP NOT NULL, ALTER b DROP DEFAULT",
        "ALTER TABLE a ADD b int NOT NULL DEFAULT 0",
        "ALTER TABLE a ADD b int DEFAULT 0 NOT NULL",
        "ALTER TABLE a ADD b timestamptz NOT NULL DEFAULT (now() + make_interval(days => 1))",
        "ALTER TABLE a ADD b bigint GENERATED ALWAYS AS IDENTITY NOT NULL",
        "ALTER TABLE a ADD b bigserial NOT NULL",
        "ALTER TABLE a ADD IF NOT EXISTS b int; UPDATE a SET b = 0 WHERE c IS NOT NULL",
        "ALTER TABLE a ADD CONSTRAINT c CHECK (b IS NOT NULL) NOT VALID",
        "CREATE TABLE b (c int NOT NULL)",
        "DROP INDEX i; DROP TRIGGER t ON a",
    ],
)
def test_sql_that_only_adds_or_allows_is_harmless(sql: str) -> None:
    """Code from before lives with it."""
    assert migrations.find_sql(sql) == []
