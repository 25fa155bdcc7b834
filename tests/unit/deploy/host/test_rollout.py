from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.recording import RecordingRunner
from tests.unit.deploy.host.state.test_revisions import make

from estiba.deploy.host import settings
from estiba.deploy.host.processes import Processes
from estiba.deploy.host.rollout import Rollout, Step
from estiba.deploy.host.state.folder import StateFolder
from estiba.deploy.host.state.logbook import FileLogbook
from estiba.deploy.host.state.revisions import RevisionStore
from estiba.deploy.host.supervise.program import Programs
from estiba.deploy.logbook import Record
from estiba.errors import DeployError, StrandedError

if TYPE_CHECKING:
    from pathlib import Path

    from estiba.deploy.host.closure import HostClosure


@pytest.fixture
def rollout(tmp_path: Path) -> Rollout:
    """Return a change on a target where nothing runs, and where Nix fails."""
    folder = StateFolder.at(tmp_path / "state")
    folder.prepare()
    runner = RecordingRunner(1)
    revisions = RevisionStore(folder=folder, runner=runner)
    found = settings.parse("local", {}, folder=tmp_path, state=tmp_path)

    def describe(closure: HostClosure) -> Programs:
        return Programs(folder=folder, closure=closure, env={}, memory={})

    return Rollout(
        processes=Processes(folder=folder, settings=found, revisions=revisions, runner=runner),
        revisions=revisions,
        logbook=FileLogbook(folder=folder),
        programs=describe,
        record=replace(Record.begin("deploy"), step=Step.SMOKE.name.lower()),
        on_status=lambda _: None,
    )


def test_way_back_that_fails_does_not_hide_why_it_was_needed(rollout: Rollout, tmp_path: Path) -> None:
    """Both causes are named, and the journal stays for the next command's repair."""
    before = rollout.revisions.add(make(tmp_path / "one"))
    rollout.revisions.switch(before)
    revision = rollout.revisions.add(make(tmp_path / "two"))
    rollout.logbook.open(rollout.record)

    with pytest.raises(StrandedError) as caught:
        rollout.revert(revision, before, DeployError("/ answers 500"))

    assert caught.value.message.startswith(
        "/ answers 500\n  what is to be served could not be brought up: nix-env exited with 1"
    )
    assert rollout.revisions.current() == before
    assert rollout.logbook.interrupted() == rollout.record


def test_interrupted_command_says_what_is_left_of_it(rollout: Rollout, tmp_path: Path) -> None:
    """After Ctrl-C nothing is as before where migrations were applied."""
    revision = rollout.revisions.add(make(tmp_path / "one"))
    rollout.record_migrations(("shop.0002_price",))

    with pytest.raises(KeyboardInterrupt) as caught:
        rollout.abort(revision, KeyboardInterrupt())

    said = str(caught.value).splitlines()
    assert said[:3] == ["interrupted", "  nothing was switched", "  applied migrations stay: shop.0002_price"]
    (record,) = rollout.logbook.records()
    assert (record.result, record.migrations) == ("failed", ("shop.0002_price",))


def test_very_many_migrations_are_counted(rollout: Rollout, tmp_path: Path) -> None:
    """A first deployment applies hundreds, which would hide the reason before them."""
    revision = rollout.revisions.add(make(tmp_path / "one"))
    rollout.record_migrations(tuple(f"shop.{number:04}" for number in range(1, 301)))

    with pytest.raises(DeployError, match=r"stay: shop\.0001, .*shop\.0008 and 292 more\n"):
        rollout.abort(revision, DeployError("/ answers 500"))


def test_migrations_that_take_away_are_refused(rollout: Rollout, tmp_path: Path) -> None:
    """They are named with their reasons, and nothing is noted as lost."""
    before = rollout.revisions.add(make(tmp_path / "one"))

    with pytest.raises(DeployError) as caught:
        rollout.check_migrations(("shop.0002_price: drops shop.item.price",), before)

    assert caught.value.message == (
        "release 1, which is served, could not live with these migrations:\n  shop.0002_price: drops shop.item.price"
    )
    assert "invoke deploy --contract" in caught.value.hint
    assert rollout.record.contracts == ()


def test_migrations_that_take_away_are_noted_before_they_are_applied(rollout: Rollout, tmp_path: Path) -> None:
    """A command that is killed while it migrates has them in its journal; later those stay that were applied."""
    rollout.contract = True
    lost = ("shop.0002_price: drops shop.item.price", "shop.0003_cost: drops shop.item.cost")

    rollout.check_migrations(lost, rollout.revisions.add(make(tmp_path / "one")))
    left = rollout.logbook.interrupted()
    rollout.record_migrations(("shop.0002_price",))

    assert left
    assert left.contracts == lost
    assert rollout.record.contracts == lost[:1]


def test_release_stays_where_the_one_before_has_lost_what_it_needs(rollout: Rollout, tmp_path: Path) -> None:
    """A release stays that contracting migrations have made the only usable one."""
    rollout.processes = replace(rollout.processes, runner=RecordingRunner())
    before = rollout.revisions.add(make(tmp_path / "one"))
    rollout.revisions.switch(before)
    revision = rollout.revisions.add(make(tmp_path / "two"))
    rollout.revisions.switch(revision)
    rollout.record = replace(rollout.record, contracts=("shop.0002_price: drops shop.item.price",))

    with pytest.raises(StrandedError) as caught:
        rollout.revert(revision, before, DeployError("/ answers 500"))

    assert caught.value.message.startswith("/ answers 500\n  ")
    assert rollout.revisions.current() == revision


def test_migrations_that_were_taken_back_are_no_loss(rollout: Rollout) -> None:
    """They are in the journal at once, and neither applied nor contracting any more."""
    lost = ("shop.0002_price: drops shop.item.price", "shop.0003_cost: drops shop.item.cost")
    rollout.record = replace(rollout.record, contracts=lost, migrations=("shop.0002_price", "shop.0003_cost"))

    rollout.record_reversed(("shop.0003_cost",))

    left = rollout.logbook.interrupted()
    assert left == rollout.record
    assert (left.contracts, left.migrations, left.reversed) == (lost[:1], ("shop.0002_price",), ("shop.0003_cost",))
