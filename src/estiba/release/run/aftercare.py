"""What follows a release: it is watched for an hour, and reviewed after a day."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from estiba.errors import DeployError, EstibaError, RolledBackError, StrandedError
from estiba.release import review as reviews
from estiba.release import watch as watches

if TYPE_CHECKING:
    from collections.abc import Callable

    from estiba.deploy.target import Release, Target
    from estiba.release.run.reporting import Reporter
    from estiba.release.verdict import Verdict


def watch(
    reporter: Reporter, name: str, *, minutes: float, rollback: bool, on_status: Callable[[str], None]
) -> Verdict:
    """Watch the release that a target serves, and report the verdict.

    Args:
        reporter: Reporter of the service, with its targets.
        name: Name of the target.
        minutes: Length of the watch from now on.
        rollback: Return to the release before if the verdict is unhealthy.
        on_status: Called with one progress message at a time.

    Raises:
        DeployError: Nothing is served, or another release meanwhile, which a verdict about this one takes nothing from.
        RolledBackError: The verdict was unhealthy, and the release before is served again.
        StrandedError: The verdict was unhealthy, and there is no way back.
    """
    target, table = reporter.workspace.targets[name], reporter.workspace.settings.watch
    release = _served(target, name)
    verdict = watches.watch(target, table, minutes=minutes, since=_find_start(target), on_status=on_status)
    reasons = "; ".join((*verdict.reasons, *verdict.notes))
    known = {"commit": release.commit, "digest": release.digest, "version": release.version}
    reporter.add(command="watch", target=name, result=verdict.result, reason=reasons, **known)
    text = f"{verdict.result}: {reasons}".removesuffix(": ")
    reporter.notify("watch", text, version=release.version, target=name)
    if not verdict.is_healthy and rollback:
        if (served := _served(target, name)) != release:
            msg = f"{release.version} was unhealthy on {name} ({reasons}), and {served.version} is served by now"
            raise DeployError(msg, hint=f"invoke release.watch --target {name}")
        raise _return(reporter, name, reasons, on_status)
    return verdict


def review(reporter: Reporter, name: str) -> Verdict:
    """Review the release that a target serves; the verdict is in the logbook, and people are told.

    Args:
        reporter: Reporter of the service, with its targets.
        name: Name of the target.

    Raises:
        ConfigError: The settings name no command that counts.
        DeployError: Nothing is served.
    """
    workspace = reporter.workspace
    target = workspace.targets[name]
    verdict = reviews.review(target, workspace.settings.review, reporter.logbook, name=name)
    text = f"{verdict.result}: {'; '.join((*verdict.reasons, *verdict.notes))}".removesuffix(": ")
    reporter.notify("review", text, version=_served(target, name).version, target=name)
    return verdict


def _return(reporter: Reporter, name: str, reasons: str, on_status: Callable[[str], None]) -> DeployError:
    """Roll a target back, report it, and return the error that says how that went."""
    reporter.notify("rollback", f"the release is unhealthy: {reasons}", target=name)
    try:
        record = reporter.workspace.targets[name].rollback(on_status=on_status)
    except EstibaError as error:
        msg = f"the release on {name} is unhealthy ({reasons}), and is still served: {error.message}"
        reporter.add(command="rollback", target=name, result="failed", reason=error.message)
        reporter.notify("failure", msg, target=name)
        return StrandedError(msg, hint=error.hint or "invoke status, then invoke rollback")
    msg = f"the release on {name} was unhealthy ({reasons}); {record.version} is served again"
    known = {"digest": record.digest, "seconds": record.seconds, "started": record.since, "version": record.version}
    reporter.add(command="rollback", target=name, result="rolled back", reason=reasons, **known)
    reporter.notify("rolled-back", msg, version=record.version, target=name)
    return RolledBackError(msg, hint=f"invoke status --target {name}")


def _served(target: Target, name: str) -> Release:
    release = target.status().release
    if release is None:
        msg = f"nothing is served on {name}"
        raise DeployError(msg, hint="invoke release")
    return release


def _find_start(target: Target) -> datetime:
    """Return when the release that is served was started, by the last record that changed that."""
    changed = ("deployed", "rolled back")
    started = [datetime.fromisoformat(one.since) for one in target.records() if one.result in changed]
    return max(started, default=datetime.now(tz=UTC))
