"""What the entry point says of the migrations that a database lacks, with real Django and PostgreSQL."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest
from tests.services import harbour as services
from tests.services import stage as stages

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.services.stage import Stage

IRREVERSIBLE: Final = ["Raw SQL operation"]
LEDGER: Final = services.ROOT / "tests" / "fixtures" / "ledger"


@pytest.fixture(scope="module")
def stage(harbour: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Set up a project of migrations, with what the template's service runs on."""
    with stages.set_up(harbour, tmp_path_factory.mktemp("stage")) as ready:
        yield replace(ready, image=ready.image._replace(binds={**ready.image.binds, "/app": LEDGER}))


def pending(stage: Stage) -> dict[str, Any]:
    """Return the reasons by the names of migrations."""
    code, said = stage.run("pending", DJANGO_SETTINGS_MODULE="settings")
    assert code == 0, said
    # It may have said before that it waits for the database.
    return {one["name"]: one["contracts"] for one in json.loads(said.splitlines()[-1])["pending"]}


def test_pending_migrations_and_what_takes_away(stage: Stage) -> None:
    """Everything may be done with what is new; of what is known, reasons name each thing that code would miss."""
    with stage.database():
        unknown = pending(stage)
        assert stage.run("migrate", "ledger", "0001", DJANGO_SETTINGS_MODULE="settings")[0] == 0
        known = pending(stage)

    assert unknown["ledger.0001_initial"] == unknown["ledger.0002_expand"] == []
    assert known["ledger.0002_expand"] == []
    assert known["ledger.0003_contract"] == [
        "demands a value for ledger.account.open, which is neither null nor has a db_default",
        "demands a value for ledger.account.parent, which is neither null nor has a db_default",
        "forbids null in ledger.account.code",
        "demands that ledger.account.code is unique",
        "changes the type of ledger.account.code from varchar(10) to varchar(5)",
        "changes the type of ledger.account.cents from bigint to numeric(9, 2)",
        "renames the column of ledger.account.number",
        "takes the database's default of ledger.account.rate away",
        "demands a value for ledger.account._order",
        "renames ledger.account.kind",
        "drops ledger.account.note",
        "demands that name, sort of ledger.account are unique together",
        "adds the constraint one_of_a_sort to ledger.account",
        "renames the table of ledger.reminder",
        "drops the table of ledger.Note",
        "runs SQL that says SET NOT NULL",
        "runs SQL that says DROP TABLE",
    ]
    assert list(known) == ["ledger.0002_expand", "ledger.0003_contract"]


def test_nothing_is_pending_where_all_is_applied(stage: Stage) -> None:
    """Afterwards the list is empty."""
    with stage.database():
        assert stage.run("migrate", "ledger", "0002", DJANGO_SETTINGS_MODULE="settings")[0] == 0
        assert list(pending(stage)) == ["ledger.0003_contract"]


def test_way_back_is_refused_before_it_would_end_half_way(stage: Stage) -> None:
    """What cannot be taken back is the same as in a list of what is pending, and nothing that depends on it is."""
    with stage.database():
        code, said = stage.run("pending", DJANGO_SETTINGS_MODULE="settings")
        listed = {one["name"]: one["irreversible"] for one in json.loads(said.splitlines()[-1])["pending"]}
        # Its SQL is not meant to be run.
        assert stage.run("migrate", "--fake", DJANGO_SETTINGS_MODULE="settings")[0] == 0
        asked = stage.run("pending", "ledger", "0001", DJANGO_SETTINGS_MODULE="settings")
        refused = stage.run("migrate", "ledger", "0001", DJANGO_SETTINGS_MODULE="settings")
        unknown = stage.run("migrate", "ledger", "0009", DJANGO_SETTINGS_MODULE="settings")
        half = stage.run("pending", "ledger", DJANGO_SETTINGS_MODULE="settings")
        left = pending(stage)

    assert code == 0
    assert listed == {
        "ledger.0001_initial": [],
        "ledger.0002_expand": ["Raw Python operation"],
        "ledger.0003_contract": IRREVERSIBLE,
    }
    assert json.loads(asked[1].splitlines()[-1]) == {
        "pending": [],
        "reversed": [
            {"irreversible": IRREVERSIBLE, "name": "ledger.0003_contract"},
            {"irreversible": ["Raw Python operation"], "name": "ledger.0002_expand"},
        ],
    }
    assert refused[0] == 65
    assert f"ledger.0003_contract cannot be taken back ({IRREVERSIBLE[0]}), so nothing was" in refused[1]
    assert (unknown[0], half[0]) == (64, 64)
    assert "there is no migration '0009' of 'ledger'" in unknown[1]
    assert left == {}


def test_way_back_takes_migrations_back(stage: Stage) -> None:
    """Forward and back under the same lock; afterwards they are pending again."""
    with stage.database():
        assert stage.run("migrate", "ledger", "0001", DJANGO_SETTINGS_MODULE="settings")[0] == 0
        code, said = stage.run("migrate", "ledger", "zero", DJANGO_SETTINGS_MODULE="settings")
        left = pending(stage)

    assert code == 0
    assert "Unapplying ledger.0001_initial... OK" in said
    assert list(left) == ["ledger.0001_initial", "ledger.0002_expand", "ledger.0003_contract"]
