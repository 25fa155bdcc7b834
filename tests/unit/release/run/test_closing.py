from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from tests.services import releases

from estiba import files
from estiba.errors import BusyError, PlanError, RolledBackError, TargetError
from estiba.release.journal import ABORTED
from estiba.release.run import closing, owner

if TYPE_CHECKING:
    from pathlib import Path

    from estiba.release.run.closing import Left
    from estiba.release.run.workspace import Workspace


@pytest.fixture
def stopped(tmp_path: Path) -> Workspace:
    """Return a service whose second release has reached staging, and failed in production."""
    folder = releases.create(tmp_path / "shop")
    releases.release(releases.workspace(folder, state=tmp_path / "state"))
    releases.commit(folder, "1.1.0", "feat: Sell hats")
    service = releases.workspace(folder, state=tmp_path / "state")
    releases.target(service, "production").break_by("broken")
    with pytest.raises(RolledBackError):
        releases.release(service)
    return service


def abort(service: Workspace, *, rollback: bool = False, **options: Any) -> tuple[Left, ...]:  # noqa: ANN401 - of abort
    """Abort the stopped release."""
    journal = service.journals.open()
    return closing.abort(service, journal, reason="wrong hat", rollback=rollback, on_status=lambda _: None, **options)


def test_aborted_release_says_what_stays_where(stopped: Workspace) -> None:
    """Nothing is changed, and nothing can be resumed."""
    left = abort(stopped)

    assert [one.sentence.partition(" (")[0] for one in left] == ["serves 1.1.0", "serves 1.0.0"]
    last = stopped.journals.last()
    assert last
    assert (last.result, last.entries[-1].reason) == (ABORTED, "wrong hat")
    with pytest.raises(PlanError, match="has ended: aborted"):
        closing.abort(stopped, last, reason="", rollback=False, on_status=lambda _: None)


def test_aborted_release_can_be_taken_back(stopped: Workspace) -> None:
    """Only where it is served."""
    returned: list[str] = []

    left = abort(stopped, rollback=True, on_return=lambda name, record: returned.append(f"{name}: {record.version}"))

    assert [one.sentence.partition(" (")[0] for one in left] == ["serves 1.0.0 again", "serves 1.0.0"]
    assert returned == ["staging: 1.0.0"]
    assert [record.command for record in stopped.targets["production"].records()] == ["deploy"]


def test_target_that_was_not_reached_is_left_alone(tmp_path: Path) -> None:
    """It is not even asked."""
    service = releases.workspace(releases.create(tmp_path / "shop"), state=tmp_path / "state")
    releases.target(service, "staging").break_by("broken")
    with pytest.raises(RolledBackError):
        releases.release(service)

    assert [one.sentence for one in abort(service, rollback=True)] == ["serves nothing", "was not reached"]


@pytest.mark.parametrize("is_first", [True, False], ids=["first release", "second release"])
def test_release_that_was_killed_half_way_is_taken_back(tmp_path: Path, *, is_first: bool) -> None:
    """The target is said to have it half way; to be taken back is not to go back by one release more."""
    folder = releases.create(tmp_path / "shop")
    if not is_first:
        releases.release(releases.workspace(folder, state=tmp_path / "state"))
        releases.commit(folder, "1.1.0", "feat: Sell hats")
    releases.doom(folder, tmp_path / "state", "switch staging")
    service = releases.workspace(folder, state=tmp_path / "state")
    place = releases.target(service, "staging")
    before = place.version

    (left, _) = abort(service, rollback=True)

    assert left.sentence == ("serves nothing" if is_first else "serves 1.0.0 again")
    assert (place.version, place.status().left) == (before, None)


def test_target_that_cannot_be_asked_is_not_said_to_be_taken_back(stopped: Workspace) -> None:
    """The release stays unfinished, so that the same command can be given again."""
    releases.target(stopped, "staging").break_by("unreachable")
    with pytest.raises(TargetError, match="nobody answers"):
        abort(stopped, rollback=True)

    left = abort(stopped)

    assert [one.sentence.partition(" (")[0] for one in left] == ["cannot be asked: nobody answers", "serves 1.0.0"]


def test_unlock_frees_what_a_killed_release_held(tmp_path: Path) -> None:
    """The kernel has freed the lock; its owner is named."""
    folder = releases.create(tmp_path / "shop")
    releases.doom(folder, tmp_path / "state", "switch staging")
    service = releases.workspace(folder, state=tmp_path / "state")

    held = closing.unlock(service)

    assert f"{owner._user()}@" in held["release"]
    assert held["targets"] == {"staging": "", "production": ""}
    assert closing.unlock(service)["release"] == ""


def test_unlock_refuses_a_living_release(tmp_path: Path) -> None:
    """Its owner is named."""
    service = releases.workspace(releases.create(tmp_path / "shop"), state=tmp_path / "state")
    folder = service.journals.folder
    folder.mkdir(parents=True)
    (folder / "lock").write_text(json.dumps({"user": "ana"}))
    with files.lock(folder / "lock"):
        assert owner.running(folder) == {"user": "ana"}
        with pytest.raises(BusyError, match="ana@this machine"):
            closing.unlock(service)


@pytest.mark.parametrize(
    ("variables", "url"),
    [
        ({"CI_JOB_URL": "https://gitlab/7"}, "https://gitlab/7"),
        (
            {"GITHUB_RUN_ID": "7", "GITHUB_SERVER_URL": "https://github", "GITHUB_REPOSITORY": "a/b"},
            "https://github/a/b/actions/runs/7",
        ),
        ({"BUILD_ID": "7", "ATC_EXTERNAL_URL": "https://concourse"}, "https://concourse/builds/7"),
        ({}, ""),
    ],
    ids=["gitlab", "github", "concourse", "none"],
)
def test_owner_names_the_ci_job(variables: dict[str, str], url: str) -> None:
    """So that whoever is refused can look at it."""
    found = owner.describe(variables)

    assert (found["url"], found["pid"]) == (url, os.getpid())
