from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.services import releases

from estiba.errors import DeployError, GateError, RolledBackError, StrandedError
from estiba.release.run import aftercare
from estiba.release.run.execution import Execution
from estiba.release.run.planning import Options
from estiba.release.run.reporting import Reporter

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from estiba.deploy.target import Observation
    from estiba.release.run.workspace import Workspace
    from estiba.release.verdict import Verdict


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a service that git knows the author of."""
    made = releases.create(tmp_path / "shop")
    releases.git(made, "config", "user.email", "shop@example.com")
    releases.git(made, "config", "user.name", "Shop")
    return made


def load(folder: Path) -> Workspace:
    """Load the service as it is now."""
    return releases.workspace(folder, state=folder.parent / "state")


def release(service: Workspace, **options: object) -> None:
    """Run a release that is reported."""
    execution = Execution(workspace=service, progress=releases.quiet, listener=Reporter.load(service))
    execution.start(Options(**options))  # type: ignore[arg-type] # fields of Options


def watch(service: Workspace, *, rollback: bool = True) -> Verdict:
    """Watch production for no time at all."""
    reporter = Reporter.load(service)
    return aftercare.watch(reporter, "production", minutes=0, rollback=rollback, on_status=lambda _: None)


def entries(service: Workspace) -> list[tuple[str, str, str]]:
    """Return what the logbook says."""
    return [(one.command, one.target, one.result) for one in Reporter.load(service).logbook.entries()]


def test_logbook_tells_what_was_done_to_each_target(folder: Path) -> None:
    """Deployments, failures, and the gates that were not asked, with the reason."""
    service = load(folder)
    releases.target(service, "production").break_by("full")
    with pytest.raises(GateError):
        release(service)
    stopped, skip = service.journals.open(), {"capacity": "the disk grows tonight"}
    execution = Execution(workspace=service, progress=releases.quiet, listener=Reporter.load(service))
    execution.resume(stopped, Options(skip=skip))

    book = Reporter.load(service).logbook
    assert entries(service) == [
        ("deploy", "staging", "deployed"),
        ("skip", "production", "skipped"),
        ("deploy", "production", "deployed"),
    ]
    assert book.entries()[1].reason == "capacity: the disk grows tonight"
    assert book.verify() == ()


def test_logbook_that_cannot_be_written_fails_no_release(folder: Path) -> None:
    """The targets work; what is missing is said."""
    service = load(folder)
    releases.git(folder, "update-ref", "refs/heads/deployments/other", "HEAD")

    release(service)

    assert releases.target(service, "production").version == "1.0.0"


def test_failed_smoke_test_is_a_rollback_in_the_logbook(folder: Path) -> None:
    """With the commit that failed."""
    release(load(folder))
    releases.commit(folder, "1.1.0", "feat: Sell hats")
    service = load(folder)
    releases.target(service, "staging").break_by("smoking")
    with pytest.raises(RolledBackError):
        release(service)

    assert entries(service)[-2:] == [("deploy", "staging", "deployed"), ("rollback", "staging", "rolled back")]


def test_healthy_release_stays(folder: Path) -> None:
    """And the logbook has the verdict."""
    release(load(folder))

    assert watch(load(folder)).is_healthy
    assert entries(load(folder))[-1] == ("watch", "production", "healthy")


def test_unhealthy_release_is_rolled_back_if_asked(folder: Path) -> None:
    """Without being asked it is only said."""
    release(load(folder))
    releases.commit(folder, "1.1.0", "feat: Sell hats")
    service = load(folder)
    release(service)
    releases.target(service, "production").break_by("failing")

    assert not watch(service, rollback=False).is_healthy
    assert releases.target(service, "production").version == "1.1.0"
    with pytest.raises(RolledBackError, match=r"unhealthy \(10 of 10 requests .*\); 1.0.0 is served again"):
        watch(service)
    assert releases.target(service, "production").version == "1.0.0"
    assert entries(service)[-2:] == [("watch", "production", "unhealthy"), ("rollback", "production", "rolled back")]


def test_unhealthy_first_release_needs_a_human(folder: Path) -> None:
    """There is no way back."""
    service = load(folder)
    with pytest.raises(DeployError, match="nothing is served on production"):
        watch(service)
    release(service)
    releases.target(service, "production").break_by("failing")

    with pytest.raises(StrandedError, match="is still served: there is no earlier release"):
        watch(service)


def test_reasons_in_the_journal_hold_no_secrets(folder: Path) -> None:
    """A target may quote what it was given."""
    service = load(folder)
    variables = {**service.config.variables, "SHOP_TOKEN": "hunter2-hunter2"}
    service = replace(service, config=replace(service.config, variables=variables))
    place = releases.target(service, "staging")
    place.break_by("broken")
    (place.folder / "broken").write_text("hunter2-hunter2 is refused")
    with pytest.raises(RolledBackError):
        release(service)

    text = service.journals.open().path.read_text()
    assert "hunter2" not in text
    assert "is refused" in text


def test_release_that_came_meanwhile_is_not_taken_back(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The verdict is about the one before, whose way forward it was."""
    release(load(folder))
    releases.commit(folder, "1.1.0", "feat: Sell hats")
    service = load(folder)
    release(service)
    place = releases.target(service, "production")
    place.break_by("failing")
    seen = type(place).observe

    def observe(self: releases.FolderTarget, since: datetime) -> Observation:
        found = seen(self, since)
        if self.version == "1.1.0":
            self.mend("failing")
            releases.commit(folder, "1.2.0", "fix: Hats fit")
            release(load(folder))
        return found

    monkeypatch.setattr(type(place), "observe", observe)

    with pytest.raises(DeployError, match=r"1\.1\.0 was unhealthy on production .*, and 1\.2\.0 is served by now"):
        watch(service)
    assert place.version == "1.2.0"
