from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.recording import RecordingRunner
from tests.unit.test_deploy_shelf import make

from estiba.deploy import settings
from estiba.deploy.change import Change
from estiba.deploy.folder import Folder
from estiba.deploy.logbook import Logbook, Record, Step
from estiba.deploy.machine import Machine
from estiba.deploy.program import Programs
from estiba.deploy.shelf import Shelf
from estiba.errors import DeployError

if TYPE_CHECKING:
    from pathlib import Path

    from estiba.deploy.release import Release


@pytest.fixture
def change(tmp_path: Path) -> Change:
    """Return a change on a target where nothing runs, and where Nix fails."""
    folder = Folder.at(tmp_path / "state")
    folder.prepare()
    runner = RecordingRunner(1)
    shelf = Shelf(folder=folder, runner=runner)
    found = settings.load(tmp_path, "local", {}, state=tmp_path)

    def describe(release: Release) -> Programs:
        return Programs(folder=folder, release=release, env={}, memory={})

    return Change(
        machine=Machine(folder=folder, settings=found, shelf=shelf, runner=runner),
        shelf=shelf,
        logbook=Logbook(folder=folder),
        programs=describe,
        record=replace(Record.begin("deploy"), step=Step.SMOKE.name.lower()),
        tell=lambda _: None,
    )


def test_way_back_that_fails_does_not_hide_why_it_was_needed(change: Change, tmp_path: Path) -> None:
    """Both causes are named, and the journal stays for the next command's repair."""
    before = change.shelf.add(make(tmp_path / "one"))
    change.shelf.switch(before)
    entry = change.shelf.add(make(tmp_path / "two"))
    change.logbook.open(change.record)

    with pytest.raises(DeployError) as caught:
        change._take_back(entry, before, DeployError("/ answers 500"))

    assert caught.value.message.startswith(
        "/ answers 500\n  what was served before could not be brought back: nix-env exited with 1"
    )
    assert change.shelf.current() == before
    assert change.logbook.interrupted() == change.record


def test_interrupted_command_says_what_is_left_of_it(change: Change, tmp_path: Path) -> None:
    """After Ctrl-C nothing is as before where migrations were applied."""
    entry = change.shelf.add(make(tmp_path / "one"))
    change._note_migrations(("shop.0002_price",))

    with pytest.raises(KeyboardInterrupt) as caught:
        change._give_up(entry, KeyboardInterrupt())

    said = str(caught.value).splitlines()
    assert said[:3] == ["interrupted", "  nothing was switched", "  applied migrations stay: shop.0002_price"]
    (record,) = change.logbook.records()
    assert (record.result, record.migrations) == ("failed", ("shop.0002_price",))
