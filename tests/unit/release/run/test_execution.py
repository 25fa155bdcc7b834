from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.services import releases

from estiba import files
from estiba.errors import (
    ApprovalError,
    BusyError,
    DeployError,
    GateError,
    PlanError,
    RolledBackError,
    StrandedError,
    TargetError,
)
from estiba.release import journal as journals
from estiba.release.journal import ABORTED, DONE, FAILED, SUPERSEDED
from estiba.release.run import planning
from estiba.release.run.execution import Execution
from estiba.release.run.planning import Options

if TYPE_CHECKING:
    from pathlib import Path

    from estiba.release.run.workspace import Workspace

STEPS = [
    "build",
    "gates",
    "push",
    "gates:staging",
    "approval:staging",
    "deploy:staging",
    "smoke:staging",
    "gates:production",
    "approval:production",
    "deploy:production",
    "smoke:production",
    "tag",
]


@pytest.fixture
def service(tmp_path: Path) -> Workspace:
    """Return a service with two targets that are folders."""
    return releases.workspace(releases.create(tmp_path / "shop"), state=tmp_path / "state")


def again(service: Workspace) -> Workspace:
    """Load a service whose sources have changed."""
    return releases.workspace(service.folder, state=service.config.state_dir)


def versions(service: Workspace) -> list[str]:
    """Return what each target serves."""
    return [releases.target(service, name).version for name in service.targets]


def test_release_goes_through_all_steps(service: Workspace) -> None:
    """Each target follows once the one before works, and the journal tells of every step."""
    journal = releases.release(service)

    assert [entry.step for entry in journal.steps()] == STEPS
    assert {entry.result for entry in journal.entries} == {"begun", DONE}
    assert (journal.result, versions(service)) == (DONE, ["1.0.0", "1.0.0"])
    assert journals.load(journal.path).entries == journal.entries


def test_what_is_released_is_only_verified(service: Workspace) -> None:
    """The same command once more changes nothing on the targets."""
    releases.release(service)
    again_journal = releases.release(service)

    assert again_journal.result == DONE
    for name in service.targets:
        results = [record.result for record in service.targets[name].records()]
        assert results == ["deployed", "unchanged"]


def test_what_is_served_already_needs_no_approval(tmp_path: Path) -> None:
    """As a job of CI that runs once more; another commit with the same bytes does."""
    rules = "[tool.estiba.release.approvals]\nproduction = ['ana@example.com']\n"
    folder = releases.create(tmp_path / "shop", settings=rules)
    service = releases.workspace(folder, state=tmp_path / "state")
    with pytest.raises(ApprovalError):
        releases.release(service)
    manifest = planning.make(service, Options(), lambda _: None).manifest
    service.targets["production"].deploy(manifest, on_status=lambda _: None)

    assert releases.release(service).result == DONE


def test_plan_that_was_looked_at_runs(service: Workspace) -> None:
    """The plan of a file is the one that runs, and its hash names the release."""
    plan = planning.make(service, Options(), lambda _: None).plan
    journal = Execution(workspace=service, progress=releases.quiet).start(Options(), plan)

    assert journal.identifier == f"1.0.0-{plan.hash.hex[:8]}"


def test_plan_whose_commit_has_moved_is_refused(service: Workspace) -> None:
    """What has moved is named, and nothing is changed."""
    plan = planning.make(service, Options(), lambda _: None).plan
    releases.commit(service.folder, "1.0.1", "fix: Close the shop")
    moved = again(service)

    with pytest.raises(PlanError, match=r"- version was 1.0.0 and is 1.0.1\n- tag was v1.0.0 and is v1.0.1\n- commit"):
        Execution(workspace=moved, progress=releases.quiet).start(Options(), plan)
    assert versions(service) == ["", ""]


def test_plan_whose_target_has_moved_is_refused(service: Workspace) -> None:
    """Somebody else's deployment overtakes a plan."""
    releases.release(service)
    releases.commit(service.folder, "1.1.0", "feat: Sell hats")
    newer = again(service)
    plan = planning.make(newer, Options(), lambda _: None).plan
    place = releases.target(newer, "staging")
    place._save({**place._state(), "number": 7})

    with pytest.raises(PlanError, match="target staging: number was 1 and is 7"):
        Execution(workspace=newer, progress=releases.quiet).start(Options(), plan)


def test_gate_stops_the_release_before_the_target(service: Workspace) -> None:
    """A refusal names gate and target; after the cause is mended the release goes on where it was."""
    releases.target(service, "production").break_by("full")
    with pytest.raises(GateError, match=r"gates for production: gate capacity: .*the folder is full"):
        releases.release(service)
    stopped = service.journals.open()
    assert (versions(service), stopped.entries[-1].result, stopped.entries[-1].code) == (["1.0.0", ""], "failed", 4)

    releases.target(service, "production").mend("full")
    ended = releases.resume(service, stopped)

    assert (ended.identifier, ended.result, versions(service)) == (stopped.identifier, DONE, ["1.0.0", "1.0.0"])
    assert [entry.attempt for entry in ended.steps() if entry.step == "gates:production"] == [2]
    assert len(service.targets["staging"].records()) == 1


def test_skipped_gate_leaves_its_reason(service: Workspace) -> None:
    """The journal has the reason as evidence."""
    releases.target(service, "production").break_by("full")

    journal = releases.release(service, skip={"capacity": "the disk grows tonight"})

    entry = journal.last("gates:production")
    assert entry
    assert entry.output["gates"]["capacity"]["production"] == {"skipped": "the disk grows tonight"}


def test_failed_target_ends_the_release_and_resumes(service: Workspace) -> None:
    """The target's own way back has the exit code 5; the next attempt is of the same release."""
    releases.target(service, "production").break_by("broken")
    with pytest.raises(RolledBackError, match="deploy to production: pages answer 500\n  evidence: here") as caught:
        releases.release(service)
    assert caught.value.hint == "fix the cause, then invoke release.resume"

    releases.target(service, "production").mend("broken")
    assert releases.resume(service, service.journals.open()).result == DONE


def test_newer_commit_replaces_a_failed_release(service: Workspace) -> None:
    """Nobody has to abort what has failed before the mended version is released."""
    releases.target(service, "staging").break_by("broken")
    with pytest.raises(RolledBackError):
        releases.release(service)
    releases.target(service, "staging").mend("broken")
    releases.commit(service.folder, "1.0.1", "fix: Mend it")

    journal = releases.release(again(service))

    assert [one.result for one in service.journals.list()] == [SUPERSEDED, DONE]
    assert journal.plan.version == "1.0.1"


def test_ended_release_is_history(service: Workspace) -> None:
    """What an aborted release has passed over does not come back, neither now nor in a resumption."""
    releases.target(service, "production").break_by("full")
    releases.target(service, "staging").break_by("broken")
    with pytest.raises(RolledBackError):
        releases.release(service, skip={"capacity": "the disk grows tonight"})
    aborted = service.journals.open()
    aborted.end(ABORTED)
    releases.target(service, "staging").mend("broken")

    with pytest.raises(GateError, match="the folder is full"):
        releases.release(service)

    stopped = service.journals.open()
    assert stopped.options["skip"] == {}
    assert stopped.identifier != aborted.identifier
    with pytest.raises(GateError, match="the folder is full"):
        releases.resume(service, stopped)
    assert journals.load(aborted.path).result == ABORTED


@pytest.mark.parametrize("is_first", [True, False], ids=["given first", "given later"])
def test_release_with_other_options_replaces_a_stopped_one(service: Workspace, *, is_first: bool) -> None:
    """The options of the last command hold, also in its resumption."""
    releases.target(service, "production").break_by("broken")
    releases.target(service, "production").break_by("full")
    skips = [{"capacity": "the disk grows tonight"}, {}]
    for skip in skips if is_first else reversed(skips):
        with pytest.raises((RolledBackError, GateError)):
            releases.release(service, skip=skip)

    assert [one.result for one in service.journals.list()] == [SUPERSEDED, FAILED]
    wanted = GateError if is_first else RolledBackError
    with pytest.raises(wanted):
        releases.resume(service, service.journals.open())


def test_stopped_release_is_replaced_where_its_plan_is_overtaken(service: Workspace) -> None:
    """Somebody else has deployed meanwhile, so that the same commit is planned anew."""
    releases.target(service, "production").break_by("full")
    with pytest.raises(GateError):
        releases.release(service)
    place = releases.target(service, "production")
    place._save({**place._state(), "number": 7})
    with pytest.raises(PlanError, match="target production: number was 0 and is 7") as caught:
        releases.resume(service, service.journals.open())
    assert caught.value.hint == "invoke release.abort ends it; then invoke release.plan"

    place.mend("full")
    assert releases.release(service).result == DONE
    assert [one.result for one in service.journals.list()] == [SUPERSEDED, DONE]


def test_killed_release_with_other_options_is_looked_at_first(tmp_path: Path) -> None:
    """The same command goes on with it; another one is told how."""
    folder = releases.create(tmp_path / "shop")
    releases.doom(folder, tmp_path / "state", "switch staging")
    service = releases.workspace(folder, state=tmp_path / "state")

    with pytest.raises(PlanError, match=r"was stopped in deploy:staging"):
        releases.release(service, skip={"capacity": "the disk grows tonight"})
    assert releases.release(service).result == DONE
    assert len(service.journals.list()) == 1


def test_failed_smoke_test_rolls_back(service: Workspace) -> None:
    """A release that passes and then fails is taken back, and the error says what is served."""
    releases.release(service)
    releases.commit(service.folder, "1.1.0", "feat: Sell hats")
    newer = again(service)
    releases.target(newer, "staging").break_by("smoking")

    with pytest.raises(RolledBackError, match=r"/ answers 500\n  staging serves 1.0.0 again"):
        releases.release(newer)
    assert versions(newer) == ["1.0.0", "1.0.0"]


def test_first_release_that_fails_has_no_way_back(service: Workspace) -> None:
    """A human has to decide."""
    releases.target(service, "staging").break_by("smoking")

    with pytest.raises(StrandedError, match=r"staging still serves 1\.0\.0: there is no earlier release"):
        releases.release(service)


def test_contract_needs_to_be_allowed(service: Workspace) -> None:
    """Before anything is changed."""
    strict = releases.workspace(service.folder, state=service.config.state_dir, migrations=releases.BREAKING)
    with pytest.raises(DeployError, match=r"staging would run migrations that .*: shop.0002_contract") as caught:
        releases.release(strict)
    assert (caught.value.exit_code, versions(strict)) == (18, ["", ""])

    assert releases.release(strict, contract=True).result == DONE


def test_unreachable_target_is_no_release(service: Workspace) -> None:
    """Nothing is begun for a target that cannot be asked."""
    releases.target(service, "production").break_by("unreachable")

    with pytest.raises(TargetError, match="nobody answers"):
        releases.release(service)
    assert service.journals.list() == []


def test_tag_is_created_last(service: Workspace) -> None:
    """A tag that is given and does not exist is made when all targets work, with the notes, and pushed."""
    origin = service.folder.parent / "origin.git"
    releases.git(service.folder, "init", "--quiet", "--bare", str(origin))
    releases.git(service.folder, "remote", "add", "origin", str(origin))
    releases.git(service.folder, "tag", "--delete", "v1.0.0")
    releases.git(service.folder, "config", "user.name", "Shop")
    releases.git(service.folder, "config", "user.email", "shop@example.com")
    releases.target(service, "production").break_by("broken")
    with pytest.raises(RolledBackError):
        releases.release(service, tag="v1.0.0")
    assert releases.git(service.folder, "tag") == ""

    releases.target(service, "production").mend("broken")
    releases.resume(service, service.journals.open())

    assert releases.git(origin, "tag", "--list", "--format=%(contents)") == "v1.0.0\n\n## Features\n\n- Open the shop"


def test_second_release_names_the_owner(service: Workspace) -> None:
    """Two at once are one too many."""
    folder = service.journals.folder
    folder.mkdir(parents=True)
    with files.lock(folder / "lock"):
        (folder / "lock").write_text(json.dumps({"host": "ci7", "pid": 42, "url": "https://ci/7", "user": "ana"}))
        with pytest.raises(BusyError, match=r"ana@ci7 \(process 42, https://ci/7, since just now\) runs a release"):
            releases.release(service)


def test_killed_release_of_another_commit_is_looked_at_first(tmp_path: Path) -> None:
    """What was stopped in a step is not replaced without a word."""
    folder = releases.create(tmp_path / "shop")
    releases.doom(folder, tmp_path / "state", "switch staging")
    releases.commit(folder, "1.0.1", "fix: Go on")
    service = releases.workspace(folder, state=tmp_path / "state")

    with pytest.raises(PlanError, match=r"release 1.0.0-\w{8} was stopped in deploy:staging") as caught:
        releases.release(service)
    assert caught.value.hint == "invoke release.resume goes on with it, invoke release.abort ends it"


class Broken:
    """A listener with a fault."""

    def begin(self, *_: object) -> None:
        """Fail."""
        raise ValueError("begin of hunter2-hunter2")

    step = end = begin


def test_listener_that_fails_fails_no_release(service: Workspace, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever it has not thought of: both targets serve the release, and the warning has no secret."""
    variables = {**service.config.variables, "SHOP_TOKEN": "hunter2-hunter2"}
    service = replace(service, config=replace(service.config, variables=variables))
    execution = Execution(workspace=service, progress=releases.quiet, listener=Broken())

    journal = execution.start(Options())

    assert (journal.result, versions(service)) == (DONE, ["1.0.0", "1.0.0"])
    assert caplog.messages[0] == "not everybody was told: ValueError('begin of ***')"
