from __future__ import annotations

from typing import Any

import pytest

from estiba.service import postgresql


def test_settings_are_taken_over() -> None:
    """Without any, PostgreSQL is that of the Debian release."""
    table = {"version": "17", "packages": ["postgresql-17-postgis-3", "postgresql-17-pgvector"]}
    found = postgresql.parse(table)

    assert postgresql.check(table) == []
    assert (found.version, found.packages) == ("17", ("postgresql-17-pgvector", "postgresql-17-postgis-3"))
    assert postgresql.parse({}) == postgresql.PostgreSQL()


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({"package": []}, "'postgresql': unknown key 'package', did you mean 'packages'?"),
        ({"version": 17}, "'postgresql.version' must be a major version such as '17', not 17"),
        ({"version": "17.2"}, "'postgresql.version' must be a major version such as '17', not '17.2'"),
        ({"packages": "postgis"}, "'postgresql.packages' must be a list of strings, not 'postgis'"),
    ],
)
def test_mistake_is_named(table: dict[str, Any], problem: str) -> None:
    """Each mistake is one sentence."""
    assert postgresql.check(table) == [problem]


def test_extension_of_the_server_is_not_for_the_image() -> None:
    """The image runs no server; its client is another package."""
    names = ["postgresql-client-17", "postgresql-17-pgvector", "libpq5"]

    (problem,) = postgresql.check_image(names)
    assert problem == (
        "'debian' has 'postgresql-17-pgvector', which extends the server and not the image: name it in packages of"
        " [tool.estiba.postgresql]"
    )
