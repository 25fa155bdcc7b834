"""Confirmation of a release that is served already: its processes are started, and its tests made up for."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from estiba.deploy.host import evidence
from estiba.deploy.host.rollout import Step
from estiba.deploy.host.supervise import readiness
from estiba.errors import EstibaError, StrandedError

if TYPE_CHECKING:
    from estiba.deploy.host.rollout import Rollout
    from estiba.deploy.host.state.revisions import Revision
    from estiba.deploy.logbook import Record


def is_as_wanted(rollout: Rollout, revision: Revision) -> bool:
    """Return whether the web process of a revision is configured as a deployment would configure it now."""
    # The web process stands for all: the workers have the same environment.
    service = f"web-{revision.slot}"
    directory = rollout.processes.runit.services / service
    wanted = rollout.programs(revision.closure).web(directory, rollout.revisions.run(revision.number))
    return rollout.processes.runit.installed(service) == wanted


def bring_up(rollout: Rollout, current: Revision) -> None:
    """Start the processes of the served release that do not run, as after a reboot."""
    rollout.on_status(Step.SERVERS.value)
    rollout.start_servers(current.closure)
    if not rollout.processes.runit.is_up(f"web-{current.slot}"):
        readiness.start(rollout.processes, current, rollout.programs(current.closure))
    rollout.reconcile(current, None)


def confirm(rollout: Rollout, current: Revision | None, result: str = "unchanged") -> Record:
    """Start the processes of the served release that do not run, and add a record to the logbook.

    A release whose command was killed before the smoke tests is tested now.

    Args:
        rollout: The command.
        current: Revision that is served, or None.
        result: Result of the record.

    Raises:
        EstibaError: A process does not start.
        RolledBackError: The release fails its tests; the previous one is served again. See `Rollout.revert`.
    """
    release = current.to_release() if current else None
    known = {name: getattr(release, name) for name in ("number", "digest", "version")} if release else {}
    try:
        if current:
            bring_up(rollout, current)
    except (EstibaError, OSError) as error:
        with suppress(OSError):
            rollout.logbook.close(rollout.record.end("failed", reason=str(error), **known))
        raise
    if current and not rollout.revisions.releases.load(current.closure.path).is_verified:
        return _try_out(rollout, current)
    record = rollout.record.end(result, **known)
    rollout.logbook.close(record)
    return record


def _try_out(rollout: Rollout, current: Revision) -> Record:
    """Run the remaining steps of a rollout that was killed after the switch."""
    before = rollout.revisions.previous()
    rollout.begin(current, before)
    try:
        rollout.try_out(current, is_new=True)
    except evidence.FAILURES as error:
        if before:
            _start_again(rollout, before, error)
        rollout.revert(current, before, error)
    return rollout.finish(before)


def _start_again(rollout: Rollout, before: Revision, error: BaseException) -> None:
    """Start the web process of the previous release, which has ended meanwhile, so that it can be switched to."""
    if rollout.processes.runit.is_up(f"web-{before.slot}"):
        return
    try:
        readiness.start(rollout.processes, before, rollout.programs(before.closure))
    except (EstibaError, OSError) as second:
        msg = f"{evidence.tell(error)}\n  release {before.number} cannot be started again: {evidence.tell(second)}"
        raise StrandedError(msg, hint="fix the cause and deploy again") from second
