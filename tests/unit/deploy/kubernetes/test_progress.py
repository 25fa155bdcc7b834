from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from tests.recording import RecordingRunner

from estiba.deploy.kubernetes.client.kubectl import Kubectl
from estiba.deploy.kubernetes.progress import Progress
from estiba.errors import DeployError

IMAGE = "registry.example/shop@sha256:new"


def pod(image: str = IMAGE, **status: object) -> str:
    """Return what kubectl lists of one pod with one container."""
    one = {
        "metadata": {"name": "shop-web-1"},
        "spec": {"containers": [{"image": image}]},
        "status": {"containerStatuses": [{"name": "web", "ready": False, "restartCount": 0, **status}]},
    }
    return json.dumps({"items": [one]})


def watch(*answers: str) -> tuple[Progress, list[str]]:
    """Return the watch over pods that are listed like this, one answer a poll, and the lines that it reports."""
    told: list[str] = []
    kubectl = Kubectl(runner=RecordingRunner(*answers), namespace="shop")
    return Progress(kubectl=kubectl, labels={}, image=IMAGE, ready_limit=60, on_status=told.append), told


def test_what_blocks_is_told_once() -> None:
    """A poll without news is silent."""
    listed = pod(state={"waiting": {"reason": "ErrImagePull", "message": "not  found"}})
    progress, told = watch(listed, listed)
    progress.poll()
    progress.poll()

    assert told == ["pod shop-web-1, container web: ErrImagePull: not found"]


def test_migrations_are_named_as_they_begin() -> None:
    """The log of their pod is read while it runs, and the whole of it, since lines are what is counted."""
    one = json.loads(pod(state={"running": {"startedAt": datetime.now(tz=UTC).isoformat()}}))
    one["items"][0]["metadata"] = {"name": "shop-migrate-2-x", "labels": {"app.kubernetes.io/component": "migrate"}}
    one["items"][0]["status"]["phase"] = "Running"
    listed, log = json.dumps(one), "  Applying shop.0001_initial... OK\n  Applying shop.0002_big..."
    progress, told = watch(listed, log, listed, log)
    progress.poll()
    progress.poll()

    assert told == ["applying shop.0001_initial, shop.0002_big"] * 2
    runner = progress.kubectl.runner
    assert isinstance(runner, RecordingRunner)
    assert runner.calls[1][3:] == ["logs", "shop-migrate-2-x", "--tail=-1"]


def test_container_that_crashes_is_not_waited_for() -> None:
    """The second restart ends the rollout, with the exit code."""
    ended = {"terminated": {"reason": "Error", "exitCode": 3}}
    progress, _ = watch(pod(state={"waiting": {"reason": "CrashLoopBackOff"}}, lastState=ended, restartCount=2))

    with pytest.raises(DeployError, match="container web crashes: Error, exit code 3, 2 restarts"):
        progress.poll()


def test_container_that_never_gets_ready_is_not_waited_for() -> None:
    """Its limit is the target's, not Helm's."""
    started = (datetime.now(tz=UTC) - timedelta(seconds=61)).strftime("%Y-%m-%dT%H:%M:%SZ")
    progress, _ = watch(pod(state={"running": {"startedAt": started}}))

    with pytest.raises(DeployError, match="container web is not ready after 6"):
        progress.poll()


def test_old_pods_are_not_looked_at() -> None:
    """What the release before suffers from is no reason to return to it."""
    progress, told = watch(pod("registry.example/shop@sha256:old", restartCount=9))
    progress.poll()

    assert told == []
