"""Commands by hand, in the logbook as those of a release."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from tests.services import releases

from estiba.errors import DeployError, TargetError
from estiba.release import by_hand
from estiba.release.run.reporting import Reporter

if TYPE_CHECKING:
    from pathlib import Path

    from estiba.deploy.logbook import Record
    from estiba.release.run.workspace import Workspace


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Return a service whose targets serve its second release."""
    folder = releases.create(tmp_path / "shop")
    releases.release(releases.workspace(folder, state=tmp_path / "state"))
    releases.commit(folder, "1.1.0", "feat: Sell hats")
    service = releases.workspace(folder, state=tmp_path / "state")
    releases.release(service)
    monkeypatch.setattr("estiba.release.by_hand.workspace.load", lambda *_: service)
    monkeypatch.setattr("estiba.release.by_hand.targets.load", lambda _, name, __: service.targets[name])
    return service


def entries(service: Workspace) -> list[tuple[str, str, str, str]]:
    """Return what the logbook says."""
    found = Reporter.load(service).logbook.entries()
    return [(one.command, one.target, one.version, one.result) for one in found]


def test_rollback_by_hand_is_an_entry(service: Workspace) -> None:
    """One, and none for what was done before in the same process."""
    with by_hand.reported(service.folder, "production", service.config) as target:
        target.rollback(on_status=lambda _: None)

    assert entries(service) == [("rollback", "production", "1.0.0", "rolled back")]


def test_command_that_changes_nothing_is_none(service: Workspace) -> None:
    """Its error is what the caller gets."""
    releases.target(service, "production").break_by("unreachable")
    with (
        pytest.raises(TargetError, match="nobody answers"),
        by_hand.reported(service.folder, "production", service.config) as target,
    ):
        target.status()

    assert entries(service) == []


@pytest.mark.parametrize(
    ("problem", "known"),
    [
        (TargetError("no connection"), []),
        (DeployError("nothing was deployed yet"), ["deploy", "deploy", "rollback"]),
    ],
    ids=["lost", "new"],
)
def test_target_that_cannot_say_what_was_done(
    service: Workspace, monkeypatch: pytest.MonkeyPatch, problem: Exception, known: list[str]
) -> None:
    """What was done to it before is not reported as done now; a server that was never deployed to has done nothing."""
    target = service.targets["production"]
    answers = iter([problem])

    def records() -> list[Record]:
        for answer in answers:
            raise answer
        return target.records()

    proxy = SimpleNamespace(records=records, rollback=target.rollback)
    monkeypatch.setattr("estiba.release.by_hand.targets.load", lambda *_: proxy)
    with by_hand.reported(service.folder, "production", service.config) as found:
        found.rollback(on_status=lambda _: None)

    assert [entry[0] for entry in entries(service)] == known


def test_logbook_that_cannot_be_written_is_a_warning(service: Workspace, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever takes a release back has no time for it."""
    releases.git(service.folder, "switch", "--quiet", "--orphan", "deployments")
    releases.git(service.folder, "commit", "--quiet", "--allow-empty", "--message", "By hand")
    (service.folder / "pyproject.toml").write_text(releases.SETTINGS.format(version="1.1.0"))
    with by_hand.reported(service.folder, "production", service.config) as target:
        assert target.rollback(on_status=lambda _: None).version == "1.0.0"

    assert "the logbook lacks an entry" in caplog.text
