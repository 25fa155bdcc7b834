"""Migrations of a rollout in a cluster: which were applied, and their way back by Jobs of the new image."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from estiba.deploy import log_lines
from estiba.deploy.kubernetes.client import objects
from estiba.deploy.target import PlannedMigration
from estiba.errors import DeployError, StrandedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from estiba.deploy.kubernetes.client.helm import Helm
    from estiba.release_manifest import Migrations, ReleaseManifest

COMPONENT: Final = "app.kubernetes.io/component"
_JOB: Final = "batch.kubernetes.io/job-name"
_PAUSE: Final = 1.0
_NOTHING: Final = "zero"
"""Name that `manage.py migrate` takes for the state before all migrations of an app."""


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


def find_applied(helm: Helm, number: int, labels: Mapping[str, str], *, since: int) -> tuple[str, ...]:
    """Return the migrations that the Jobs of some revisions have applied, as `app.name`, from their logs.

    Args:
        helm: Helm for the release.
        number: Last revision.
        labels: Labels of the Jobs.
        since: Revision before the first one: between it and the last one lie those of killed commands.
    """
    found: list[str] = []
    for one in range(since + 1, number + 1):
        for job in _find_jobs(helm, one, labels):
            found += log_lines.find_applied(_read_logs(helm, job, "--tail=-1"))
    return tuple(dict.fromkeys(found))


def find_failure(helm: Helm, number: int, labels: Mapping[str, str]) -> str:
    """Return the last lines of the Job of a revision if it has failed, and why, else an empty string."""
    for job in _find_jobs(helm, number, labels):
        for condition in job.get("status", {}).get("conditions", ()):
            if condition["type"] == "Failed" and condition["status"] == "True":
                said = _read_logs(helm, job, "--tail=15").rstrip() or condition.get("message", "")
                pods = helm.kubectl.list("pods", {_JOB: job["metadata"]["name"]})
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
    helm: Helm, number: int, steps: Sequence[tuple[str, str]], *, limit: float, on_status: Callable[[str], None]
) -> None:
    """Take migrations back, by Jobs that are made from the migrations' own one.

    Args:
        helm: Helm for the release.
        number: Revision whose image has the migrations.
        steps: App and name of each step.
        limit: Seconds for each of them.
        on_status: Callback for progress.

    Raises:
        DeployError: A Job failed, or did not end in time.
    """
    rendered = objects.parse(helm.hooks(number)) + objects.parse(helm.manifest(number))
    jobs = [one for one in rendered if one["kind"] == "Job" and _component(one) == "migrate"]
    if steps and not jobs:
        msg = f"revision {number} has no Job for its migrations, whose image could take them back"
        raise DeployError(msg, hint="migrations.mode of the chart is `none`: take them back by hand")
    for app, name in steps:
        on_status(f"taking {app} back to {name}")
        _run(helm, _job(jobs[0], app, name), limit)


def _job(job: Mapping[str, Any], app: str, name: str) -> dict[str, Any]:
    spec = job["spec"]
    template = spec["template"]
    pod = template["spec"]
    container = {**pod["containers"][0], "args": ["migrate", app, name]}
    label = f"{job['metadata']['name']}-back-{app}".replace("_", "-")[:63].rstrip("-")
    return {
        "apiVersion": job["apiVersion"],
        "kind": "Job",
        "metadata": {"name": label, "labels": {**job["metadata"]["labels"], COMPONENT: "reverse"}},
        "spec": {
            **spec,
            "backoffLimit": 0,
            "template": {
                **template,
                "metadata": {"labels": {**template["metadata"]["labels"], COMPONENT: "reverse"}},
                "spec": {**pod, "containers": [container]},
            },
        },
    }


def _run(helm: Helm, job: Mapping[str, Any], limit: float) -> None:
    name = job["metadata"]["name"]
    helm.kubectl.ask("delete", "job", name, "--ignore-not-found", "--wait=true")
    helm.kubectl.create(job)
    end = time.monotonic() + limit
    while time.monotonic() < end:
        found = helm.kubectl.get("job", name) or {}
        kinds = {one["type"] for one in found.get("status", {}).get("conditions", ()) if one["status"] == "True"}
        if "Complete" in kinds:
            return
        if "Failed" in kinds:
            said = helm.kubectl.ask("logs", f"job/{name}", "--tail=20").stdout
            msg = f"Job {name} failed:\n{said}"
            raise DeployError(msg)
        time.sleep(_PAUSE)
    msg = f"Job {name} did not end within {limit:g} seconds"
    raise DeployError(msg)


def _find_jobs(helm: Helm, number: int, labels: Mapping[str, str]) -> list[dict[str, Any]]:
    jobs = helm.kubectl.list("jobs", {**labels, COMPONENT: "migrate"})
    return [one for one in jobs if one["metadata"]["name"].endswith(f"-migrate-{number}")]


def _read_logs(helm: Helm, job: Mapping[str, Any], *options: str) -> str:
    return helm.kubectl.ask("logs", f"--selector={_JOB}={job['metadata']['name']}", *options).stdout


def _component(one: Mapping[str, Any]) -> str:
    return str((one["metadata"].get("labels") or {}).get(COMPONENT, ""))
