"""Migrations of a rollout in a cluster: which were applied, and their way back by Jobs of the new image."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, Final

from estiba.deploy import log_lines
from estiba.deploy.kubernetes.client import jobs
from estiba.deploy.target import PlannedMigration
from estiba.errors import DeployError, EstibaError, StrandedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from estiba.deploy.kubernetes.client.helm import Helm
    from estiba.release_manifest import Migrations, ReleaseManifest

_PENDING: Final = '{"pending": '
"""Start of the line with which the entry point answers."""

_ANSWER: Final = 60.0
"""Seconds in which the database has to say what it lacks."""

_NOTHING: Final = "zero"
"""Name that `manage.py migrate` takes for the state before all migrations of an app."""

_log = logging.getLogger(__name__)


def plan(manifest: ReleaseManifest, before: ReleaseManifest | None) -> tuple[PlannedMigration, ...]:
    """Return the migrations that a release has and the one before has not.

    For a first release, contracts count for nothing: no release before it could break.
    """
    known = manifest.migrations
    names = known.since(before.migrations) if before else known.names
    return tuple(
        PlannedMigration(
            name=name,
            contracts=known.contracts.get(name, ()) if before else (),
            irreversible=known.irreversible.get(name, ()),
        )
        for name in names
    )


def find_applied(
    helm: Helm, number: int, labels: Mapping[str, str], *, since: int, pending: Sequence[str], limit: float
) -> tuple[str, ...]:
    """Return the migrations that the Jobs of some revisions have applied, as `app.name`.

    Their logs say it. Where one cannot be read, the database is asked by a Job of the last revision; where that does
    not answer, all that could have been applied count as applied: a way back never relies on what nobody knows.

    Args:
        helm: Helm for the release.
        number: Last revision.
        labels: Labels of the Jobs.
        since: Revision before the first one: between it and the last one lie those of killed commands.
        pending: Migrations of the last revision that were not applied before, as `app.name`.
        limit: Seconds until a Job that still runs, or is asked, has to end.
    """
    found: list[str] = []
    try:
        for one in range(since + 1, number + 1):
            for job in _find_jobs(helm, one, labels):
                found += log_lines.find_applied(_read_whole(helm, job, limit))
    except EstibaError as error:
        _log.warning("which migrations were applied is asked from the database, since %s", error.message)
        return tuple(one for one in pending if one not in _ask_pending(helm, number, limit))
    return tuple(dict.fromkeys(found))


def _ask_pending(helm: Helm, number: int, limit: float) -> frozenset[str]:
    """Return the migrations of a revision that the database lacks; none where it cannot be asked."""
    try:
        said = jobs.run(helm, number, "pending", ["pending"], limit=min(limit, _ANSWER))
        line = next(line for line in said.splitlines() if line.startswith(_PENDING))
        return frozenset(one["name"] for one in json.loads(line)["pending"])
    except (EstibaError, StopIteration, ValueError, KeyError, TypeError) as error:
        reason = error.message if isinstance(error, EstibaError) else "the answer is none"
        _log.warning("nobody can tell which migrations were applied, so all count as applied: %s", reason)
        return frozenset()


def _read_whole(helm: Helm, job: Mapping[str, Any], limit: float) -> str:
    """Return all that the pods of a Job have said.

    Raises:
        DeployError: The Job does not end in time, a pod is gone, or its log cannot be read.
        TargetError: The cluster cannot be reached.
    """
    name, status = job["metadata"]["name"], job.get("status", {})
    pods = jobs.find_pods(helm, job)
    if status.get("active") and not any(map(_has_run, pods)):
        # It must not begin later, under the release that is served then.
        helm.kubectl.run("delete", "job", name, "--ignore-not-found", "--wait=true")
        return ""
    if status.get("active"):
        jobs.wait(helm, name, limit)
    if len(pods) < sum(status.get(key) or 0 for key in ("active", "failed", "succeeded")):
        msg = f"pods of Job {name} are gone"
        raise DeployError(msg)
    return "\n".join(_read_pod(helm, pod) for pod in pods if _has_run(pod))


def _read_pod(helm: Helm, pod: Mapping[str, Any]) -> str:
    name = pod["metadata"]["name"]
    done = helm.kubectl.ask("logs", name, "--tail=-1")
    if done.code:
        msg = f"the log of pod {name} cannot be read: {done.tail}"
        raise DeployError(msg)
    return done.stdout


def _has_run(pod: Mapping[str, Any]) -> bool:
    """Tell whether the container of a pod may have begun, so that it has a log; one without an image has not."""
    status = pod.get("status", {})
    known = status.get("containerStatuses", ())
    if not known:
        return bool(status.get("phase") != "Pending")
    return any("waiting" not in one.get("state", {}) or one.get("restartCount") for one in known)


def find_failure(helm: Helm, number: int, labels: Mapping[str, str]) -> str:
    """Return the last lines of the Job of a revision if it has failed, and why, else an empty string."""
    for job in _find_jobs(helm, number, labels):
        for condition in job.get("status", {}).get("conditions", ()):
            if condition["type"] == "Failed" and condition["status"] == "True":
                said = helm.kubectl.ask(
                    "logs", f"job/{job['metadata']['name']}", "--tail=15"
                ).stdout.rstrip() or condition.get("message", "")
                pods = jobs.find_pods(helm, job)
                is_over = any(pod.get("status", {}).get("reason") == "DeadlineExceeded" for pod in pods)
                limit = job["spec"]["template"]["spec"].get("activeDeadlineSeconds")
                return f"{said}\nthey did not end within {limit} seconds" if is_over else str(said)
    return ""


def refuse_contracts(planned: Sequence[PlannedMigration], served: str) -> None:
    """Refuse migrations that remove what the served release needs.

    Args:
        planned: Migrations of the new release.
        served: Name of the served release, for the message.

    Raises:
        DeployError: There are such migrations.
    """
    if listed := "".join(f"\n  {one.name}: {'; '.join(one.contracts)}" for one in planned if one.contracts):
        msg = f"{served}, which is served, could not live with these migrations:{listed}"
        hint = "first deploy code that does not need it; then remove it with --contract"
        raise DeployError(msg, hint=hint)


def find_way_back(
    applied: Sequence[str], new: Migrations, old: Migrations, *, served: str = ""
) -> tuple[tuple[str, str], ...]:
    """Return the app and the name for each `manage.py migrate APP NAME` that a way back to a release needs.

    Migrations that only add stay: the old code lives with them.

    Args:
        applied: Migrations that were applied since the old release.
        new: Migrations of the new release.
        old: Migrations of the old release.
        served: What is served, for the message.

    Raises:
        StrandedError: One that has to be taken back cannot be.
    """
    apps = sorted({name.partition(".")[0] for name in applied if name in new.contracts})
    stuck = [name for name in applied if name.partition(".")[0] in apps and name in new.irreversible]
    if stuck:
        listed = "".join(f"\n  {name}: {'; '.join(new.irreversible[name])}" for name in stuck)
        msg = f"these migrations removed what the release before needs, and cannot be taken back:{listed}\n  {served}"
        raise StrandedError(msg, hint="mend the new release and deploy it, or restore the backup of before")
    return tuple((app, next(iter(old.heads.get(app, ())), _NOTHING)) for app in apps)


def reverse(
    helm: Helm,
    number: int,
    steps: Sequence[tuple[str, str]],
    *,
    contracts: Sequence[str],
    limit: float,
    on_status: Callable[[str], None],
) -> None:
    """Take migrations back, by Jobs that are made from the migrations' own one.

    Args:
        helm: Helm for the release.
        number: Revision whose image has the migrations.
        steps: App and name of each step.
        contracts: Migrations that must not be applied afterwards, as `app.name`.
        limit: Seconds for each step.
        on_status: Callback for progress.

    Raises:
        DeployError: A Job failed, or did not end in time; or a migration is still applied.
    """
    gone: set[str] = set()
    for app, name in steps:
        on_status(f"taking {app} back to {name}")
        gone |= set(
            log_lines.find_unapplied(jobs.run(helm, number, f"back-{app}", ["migrate", app, name], limit=limit))
        )
    if (left := set(contracts) - gone) and (left := left - _ask_pending(helm, number, limit)):
        # `migrate APP NAME` takes back what depends on a migration; what lies beside it, on a branch, stays.
        msg = (
            f"these migrations removed what the release before needs, and are still applied: {', '.join(sorted(left))}"
        )
        raise DeployError(msg, hint="take them back by hand, or mend the new release and deploy it")


def _find_jobs(helm: Helm, number: int, labels: Mapping[str, str]) -> list[dict[str, Any]]:
    listed = helm.kubectl.list("jobs", {**labels, jobs.COMPONENT: "migrate"})
    return [one for one in listed if one["metadata"]["name"].endswith(f"-migrate-{number}")]
