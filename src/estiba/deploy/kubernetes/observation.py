"""Observation of a release in a cluster: requests and exceptions in the logs of its pods, restarts of containers."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from estiba.deploy import log_lines
from estiba.deploy.target import Observation
from estiba.errors import TargetError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from estiba.deploy.kubernetes.client.kubectl import Kubectl


def observe(kubectl: Kubectl, labels: Mapping[str, str], since: datetime) -> Observation:
    """Return how the pods of a release have behaved since a time.

    Logs of pods that are gone are gone with them: a watch asks often enough to see the pods of now.

    Args:
        kubectl: kubectl for the namespace.
        labels: Labels of the pods.
        since: Start of the period, with a time zone.

    Raises:
        TargetError: The cluster cannot be reached, or no pod runs.
    """
    pods = [pod for pod in kubectl.list("pods", labels) if _is_process(pod)]
    if not pods:
        msg = f"no pod of the release runs, so there is no data since {since.isoformat()}"
        raise TargetError(msg, hint="invoke status tells what is served")
    statuses: list[int] = []
    found: Counter[str] = Counter()
    start = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    for pod in pods:
        # Each container alone: mixed lines would tear tracebacks apart.
        for container in pod["spec"]["containers"]:
            name = pod["metadata"]["name"]
            done = kubectl.ask("logs", name, f"--container={container['name']}", f"--since-time={start}", "--tail=-1")
            lines = done.stdout.splitlines()
            statuses += [status for line in lines if (status := log_lines.find_status(line))]
            found.update(log_lines.find_exceptions(lines))
    return Observation(
        requests=len(statuses),
        failures=sum(status >= log_lines.FAILURE for status in statuses),
        restarts=sum(_count_restarts(pod, since) for pod in pods),
        exceptions=dict(found.most_common()),
    )


def _is_process(pod: Mapping[str, Any]) -> bool:
    return any(owner["kind"] == "ReplicaSet" for owner in pod["metadata"].get("ownerReferences", ()))


def _count_restarts(pod: Mapping[str, Any], since: datetime) -> int:
    """Return the number of restarts, of which the cluster keeps the time of the last one alone."""
    total = 0
    for one in pod.get("status", {}).get("containerStatuses", ()):
        ended = (one.get("lastState", {}).get("terminated") or {}).get("finishedAt")
        if ended and datetime.fromisoformat(ended) >= since:
            total += int(one["restartCount"])
    return total
