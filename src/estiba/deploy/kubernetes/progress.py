"""Progress of a rollout in a cluster: what blocks it, and what will not get better by waiting."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from estiba.deploy.kubernetes.client.jobs import COMPONENT
from estiba.deploy.migration_progress import MigrationProgress
from estiba.errors import DeployError, TargetError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from estiba.deploy.kubernetes.client.kubectl import Kubectl

_HOPELESS: Final = frozenset(
    {
        "CreateContainerConfigError",
        "CreateContainerError",
        "ErrImageNeverPull",
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "RunContainerError",
    }
)
"""Reasons of a waiting container that a human has to mend, unless a registry is away for a moment."""

_PATIENCE: Final = 12.0
"""Seconds for which such a reason has to last."""

_UNSCHEDULABLE: Final = 60.0
"""Seconds in which an autoscaler may bring a node."""

_GATE: Final = "migrated"
"""Init container of the chart that fails until the migrations are applied; their Job has a limit of its own."""

_CRASHES: Final = 2
"""Number of restarts of a container after which it is not waited for any more."""


@dataclass(slots=True, kw_only=True)
class Progress:
    """Watch over the pods of one release while it is rolled out.

    Attributes:
        kubectl: kubectl for the namespace.
        labels: Labels of the pods.
        image: Image of the new pods; others are not looked at.
        ready_limit: Seconds until a pod has to be ready after its start.
        on_status: Callback for progress.
    """

    kubectl: Kubectl
    labels: Mapping[str, str]
    image: str
    ready_limit: int
    on_status: Callable[[str], None]
    _since: dict[str, float] = field(default_factory=dict)
    _said: str = ""
    _migrations: dict[str, MigrationProgress] = field(default_factory=dict)

    def poll(self) -> None:
        """Report what blocks the rollout.

        Raises:
            DeployError: Waiting will not help; the message says which pod has what.
        """
        try:
            pods = self.kubectl.list("pods", self.labels)
        except TargetError:
            # Helm, which runs meanwhile, says what is wrong with the cluster.
            return
        new = [pod for pod in pods if self._is_new(pod)]
        for pod in new:
            self._follow_migrations(pod)
        blocks = [found for pod in new for found in self._examine(pod)]
        said = "; ".join(sorted(set(blocks)))
        if said and said != self._said:
            self.on_status(said)
        self._said = said

    def _is_new(self, pod: Mapping[str, Any]) -> bool:
        is_ending = "deletionTimestamp" in pod["metadata"]
        return not is_ending and any(one.get("image") == self.image for one in pod["spec"]["containers"])

    def _follow_migrations(self, pod: Mapping[str, Any]) -> None:
        """Report which migrations a pod has begun, if it is the one that applies them."""
        labels = pod["metadata"].get("labels") or {}
        if labels.get(COMPONENT) != "migrate" or pod.get("status", {}).get("phase") != "Running":
            return
        name = pod["metadata"]["name"]
        progress = self._migrations.setdefault(name, MigrationProgress(on_status=self.on_status))
        progress.read(self.kubectl.ask("logs", name, "--tail=-1").stdout)

    def _examine(self, pod: Mapping[str, Any]) -> Iterator[str]:
        """Yield what keeps a pod from being ready.

        Raises:
            DeployError: It will not become ready.
        """
        name, status = pod["metadata"]["name"], pod.get("status", {})
        if status.get("phase") == "Succeeded":
            return
        for condition in status.get("conditions", ()):
            if condition["type"] == "PodScheduled" and condition["status"] == "False":
                why = f"pod {name} has no node: {condition.get('message', condition.get('reason', ''))}"
                self._give_up(why, after=_UNSCHEDULABLE)
                yield why
        for one in (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())):
            yield from self._examine_container(name, one)

    def _examine_container(self, pod: str, one: Mapping[str, Any]) -> Iterator[str]:
        state, label = one.get("state", {}), f"pod {pod}, container {one['name']}"
        is_running = "running" in state
        if one.get("restartCount", 0) >= _CRASHES and not one.get("ready") and one["name"] != _GATE:
            msg = f"{label} crashes: {_end_of(one)}"
            raise DeployError(msg)
        if waiting := state.get("waiting"):
            yield from self._examine_waiting(label, waiting)
        elif is_running and not one.get("ready") and one["name"] != _GATE:
            started = datetime.fromisoformat(state["running"]["startedAt"])
            seconds = (datetime.now(tz=UTC) - started).total_seconds()
            if seconds > self.ready_limit:
                msg = f"{label} is not ready after {seconds:.0f} s"
                raise DeployError(msg)
            if seconds > _PATIENCE:
                yield f"{label} is not ready"

    def _examine_waiting(self, label: str, waiting: Mapping[str, Any]) -> Iterator[str]:
        reason = waiting.get("reason", "")
        why = f"{label}: {reason or 'waiting'}{_message(waiting)}"
        if reason in _HOPELESS:
            self._give_up(why, key=f"{label} hopeless", after=_PATIENCE)
        if reason not in {"ContainerCreating", "PodInitializing"}:
            yield why

    def _give_up(self, why: str, *, after: float, key: str = "") -> None:
        since = self._since.setdefault(key or why, time.monotonic())
        if time.monotonic() - since >= after:
            raise DeployError(why)


def _message(waiting: Mapping[str, Any]) -> str:
    text = " ".join(str(waiting.get("message", "")).split())
    return f": {text}" if text else ""


def _end_of(one: Mapping[str, Any]) -> str:
    ended = one.get("lastState", {}).get("terminated") or one.get("state", {}).get("terminated") or {}
    return f"{ended.get('reason', 'it ended')}, exit code {ended.get('exitCode', '?')}, {one['restartCount']} restarts"
