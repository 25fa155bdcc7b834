"""Jobs of a release's own image, made from the one of its migrations: run to their end, and read."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from estiba.deploy.kubernetes.client import objects
from estiba.errors import DeployError, TargetError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from estiba.deploy.kubernetes.client.helm import Helm

COMPONENT: Final = "app.kubernetes.io/component"
_JOB: Final = "batch.kubernetes.io/job-name"
_PAUSE: Final = 1.0
_LABEL: Final = 63
"""Longest name of a Job, which is a label of its pods."""

_TAIL: Final = 2000
"""Characters of the log of a Job that failed."""


def find_pods(helm: Helm, job: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the pods of a Job."""
    return helm.kubectl.list("pods", {_JOB: job["metadata"]["name"]})


def run(helm: Helm, number: int, name: str, arguments: Sequence[str], *, limit: float) -> str:
    """Run a command of the entry point by the image of a revision, and return what it says.

    Args:
        helm: Helm for the release.
        number: Revision, whose Job for the migrations says how.
        name: End of the Job's name.
        arguments: Command of the entry point, with its arguments.
        limit: Seconds until it has to end.

    Raises:
        DeployError: There is no such Job, or it failed, did not end in time, or cannot be read.
        TargetError: The cluster cannot be reached, or refuses.
    """
    rendered = objects.parse(helm.hooks(number)) + objects.parse(helm.manifest(number))
    found = [one for one in rendered if one["kind"] == "Job" and _component(one) == "migrate"]
    if not found:
        msg = f"revision {number} has no Job for its migrations, whose image could do it"
        raise DeployError(msg, hint="migrations.mode of the chart is `none`: take them back by hand")
    made = _make(found[0], name, arguments)
    full = made["metadata"]["name"]
    helm.kubectl.ask("delete", "job", full, "--ignore-not-found", "--wait=true")
    helm.kubectl.create(made)
    kinds = wait(helm, full, limit)
    said = helm.kubectl.ask("logs", f"job/{full}", "--tail=-1")
    if "Failed" in kinds:
        msg = f"Job {full} failed:\n{said.stdout[-_TAIL:]}"
        raise DeployError(msg)
    if said.code:
        msg = f"the log of Job {full} cannot be read: {said.tail}"
        raise DeployError(msg)
    return said.stdout


def wait(helm: Helm, name: str, limit: float) -> frozenset[str]:
    """Wait until a Job has ended, and return its conditions, such as `Complete` or `Failed`.

    Raises:
        DeployError: It does not end in time.
        TargetError: The cluster cannot be reached, or there is no such Job any more.
    """
    end = time.monotonic() + limit
    while True:
        found = helm.kubectl.get("job", name)
        if found is None:
            msg = f"Job {name} is gone before it has ended"
            raise TargetError(msg)
        conditions = found.get("status", {}).get("conditions", ())
        kinds = frozenset(one["type"] for one in conditions if one["status"] == "True")
        if kinds & {"Complete", "Failed"}:
            return kinds
        if time.monotonic() >= end:
            msg = f"Job {name} did not end within {limit:g} seconds"
            raise DeployError(msg)
        time.sleep(_PAUSE)


def _make(job: Mapping[str, Any], name: str, arguments: Sequence[str]) -> dict[str, Any]:
    spec = job["spec"]
    template = spec["template"]
    pod = template["spec"]
    container = {**pod["containers"][0], "args": list(arguments)}
    label = f"{job['metadata']['name']}-{name}".replace("_", "-")[:_LABEL].rstrip("-")
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


def _component(one: Mapping[str, Any]) -> str:
    return str((one["metadata"].get("labels") or {}).get(COMPONENT, ""))
