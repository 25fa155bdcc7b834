"""End of a release that is not run to its end: aborted, or unlocked after its process was killed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from estiba.errors import EstibaError, PlanError
from estiba.release.journal import ABORTED
from estiba.release.run import owner
from estiba.release.run.steps import Kind, Step

if TYPE_CHECKING:
    from collections.abc import Callable

    from estiba.deploy.logbook import Record
    from estiba.release.journal import Journal
    from estiba.release.run.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What an aborted release leaves on a target.

    Attributes:
        target: Name of the target.
        sentence: What it serves now, and whether that is the release.
        is_ours: Whether the release has changed what it serves.
    """

    target: str
    sentence: str
    is_ours: bool = False


def abort(
    workspace: Workspace,
    journal: Journal,
    *,
    reason: str,
    rollback: bool,
    on_status: Callable[[str], None],
    on_return: Callable[[str, Record], None] = lambda *_: None,
) -> tuple[Left, ...]:
    """End a release that was stopped, and say what it leaves on each target.

    Args:
        workspace: Service of the release, with its targets.
        journal: Journal of the release.
        reason: Why it is aborted.
        rollback: Return each target that serves the release, or has it half way, to what it served before, the last one
            first.
        on_status: Called with one progress message at a time.
        on_return: Called with the name of each target that was returned, and the record of that.

    Raises:
        BusyError: A release of the service runs.
        DeployError: A target could not be rolled back; the release stays unfinished.
        PlanError: The release has ended already.
        TargetError: A target that is to be rolled back cannot be asked; the release stays unfinished.
    """
    if journal.is_ended:
        msg = f"release {journal.identifier} has ended: {journal.result}"
        raise PlanError(msg, hint="invoke rollback returns a target to its release before")
    with owner.hold(workspace.journals.folder, owner.describe(workspace.config.variables)):
        names = [one.name for one in journal.plan.targets]
        left = [_describe(workspace, journal, name, must_answer=rollback) for name in reversed(names)]
        left = [_return(workspace, one, on_status, on_return) for one in left] if rollback else left
        journal.end(ABORTED, reason)
    return tuple(reversed(left))


def unlock(workspace: Workspace) -> dict[str, Any]:
    """Take the locks of the releases and of the targets from a command that was killed, and return who held them.

    Raises:
        BusyError: A process that holds one is alive.
    """
    held = owner.release(workspace.journals.folder)
    targets = {name: target.unlock() for name, target in workspace.targets.items()}
    return {"release": owner.sentence(held) if held else "", "targets": targets}


def _describe(workspace: Workspace, journal: Journal, name: str, *, must_answer: bool) -> Left:
    if not journal.last(Step(kind=Kind.DEPLOY, target=name).name):
        return Left(target=name, sentence="was not reached")
    try:
        report = workspace.targets[name].status()
    except EstibaError as error:
        if must_answer:
            raise
        return Left(target=name, sentence=f"cannot be asked: {error.message}")
    served, version = report.release, journal.plan.version
    serves = f"serves {served.version} ({served.digest})" if served else "serves nothing"
    if report.left and report.left.version == version:
        return Left(target=name, sentence=f"{serves}, and {version} is deployed half way", is_ours=True)
    if served is None:
        return Left(target=name, sentence=serves)
    was_changed = served.version == version and journal.plan.target(name).is_pending
    return Left(target=name, sentence=serves, is_ours=was_changed)


def _return(
    workspace: Workspace, left: Left, on_status: Callable[[str], None], on_return: Callable[[str, Record], None]
) -> Left:
    if not left.is_ours:
        return left
    on_status(f"rolling {left.target} back")
    record = workspace.targets[left.target].rollback(on_status=on_status)
    on_return(left.target, record)
    return Left(target=left.target, sentence=f"serves {record.version} again" if record.version else "serves nothing")
