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
        "/ answers 500\n  what is to be served could not be brought up: nix-env exited with 1"
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


def test_migrations_that_take_away_are_refused(change: Change, tmp_path: Path) -> None:
    """They are named with their reasons, and nothing is noted as lost."""
    before = change.shelf.add(make(tmp_path / "one"))

    with pytest.raises(DeployError) as caught:
        change._weigh(("shop.0002_price: drops shop.item.price",), before)

    assert caught.value.message == (
        "release 1, which is served, could not live with these migrations:\n  shop.0002_price: drops shop.item.price"
    )
    assert "invoke deploy --contract" in caught.value.hint
    assert change.record.contracts == ()


def test_migrations_that_take_away_are_noted_before_they_are_applied(change: Change, tmp_path: Path) -> None:
    """A command that is killed while it migrates has them in its journal; later those stay that were applied."""
    change.contract = True
    lost = ("shop.0002_price: drops shop.item.price", "shop.0003_cost: drops shop.item.cost")

    change._weigh(lost, change.shelf.add(make(tmp_path / "one")))
    left = change.logbook.interrupted()
    change._note_migrations(("shop.0002_price",))

    assert left
    assert left.contracts == lost
    assert change.record.contracts == lost[:1]


def test_release_stays_where_the_one_before_has_lost_what_it_needs(change: Change, tmp_path: Path) -> None:
    """The way back is left to somebody who knows better."""
    change.machine = replace(change.machine, runner=RecordingRunner())
    before = change.shelf.add(make(tmp_path / "one"))
    change.shelf.switch(before)
    entry = change.shelf.add(make(tmp_path / "two"))
    change.shelf.switch(entry)
    change.record = replace(change.record, contracts=("shop.0002_price: drops shop.item.price",))

    with pytest.raises(DeployError) as caught:
        change._take_back(entry, before, DeployError("/ answers 500"))

    assert caught.value.message.startswith("/ answers 500\n  ")
    assert change.shelf.current() == entry
