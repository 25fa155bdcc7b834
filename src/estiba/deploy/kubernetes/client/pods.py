"""Pods of a release: which ones run its processes, and what they are at."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from estiba.deploy.target import Workload

if TYPE_CHECKING:
    from collections.abc import Mapping

    from estiba.deploy.kubernetes.client.kubectl import Kubectl

_ENDED: Final = frozenset({"Failed", "Succeeded"})


def find_processes(kubectl: Kubectl, labels: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the pods of the processes, without those that end or have ended, and those of Jobs and tests."""
    return [
        pod
        for pod in kubectl.list("pods", labels)
        if "deletionTimestamp" not in pod["metadata"]
        # Pods that a node has evicted or shut down stay for long, beside those that replaced them.
        and pod.get("status", {}).get("phase") not in _ENDED
        and any(owner["kind"] == "ReplicaSet" for owner in pod["metadata"].get("ownerReferences", ()))
    ]


def component(pod: Mapping[str, Any]) -> str:
    """Return the name of the process that a pod runs."""
    return str(pod["metadata"].get("labels", {}).get("app.kubernetes.io/component", ""))


def is_ready(pod: Mapping[str, Any]) -> bool:
    """Tell whether a pod gets requests."""
    conditions = pod.get("status", {}).get("conditions", ())
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def workload(pod: Mapping[str, Any]) -> Workload:
    """Return a pod as a target reports it."""
    started = pod.get("status", {}).get("startTime")
    since = datetime.fromisoformat(started) if started else datetime.now(tz=UTC)
    seconds = int((datetime.now(tz=UTC) - since).total_seconds())
    phase = re.sub(r"^Running$", "up" if is_ready(pod) else "not ready", pod.get("status", {}).get("phase", "Unknown"))
    return Workload(name=pod["metadata"]["name"], state=phase.lower(), seconds=seconds)
