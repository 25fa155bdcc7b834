from __future__ import annotations

import json

import pytest
from tests.recording import RecordingRunner

from estiba.deploy.kubernetes.client.helm import Helm
from estiba.deploy.kubernetes.client.kubectl import Kubectl
from estiba.deploy.kubernetes.state import pending
from estiba.process import run_watched


def helm(runner: RecordingRunner) -> Helm:
    """Return Helm for a release named shop."""
    return Helm(
        kubectl=Kubectl(runner=runner, namespace="shop"), runner=runner, watched=run_watched, release="shop", timeout=9
    )


def history(status: str) -> str:
    """Return what `helm history` says of one revision."""
    return json.dumps([{"revision": 3, "status": status}])


def test_release_of_helms_is_read_as_it_is_written() -> None:
    """The text goes through both codings unchanged."""
    record = {"info": {"status": "pending-upgrade"}, "name": "shop"}

    assert pending.decode(pending.encode(record)) == record


@pytest.mark.parametrize("status", ["pending-upgrade", "pending-install", "pending-rollback", "uninstalling"])
def test_revision_of_a_killed_helm_is_marked(status: str) -> None:
    """Helm refuses to work on a release whose last revision is pending, or half removed."""
    secret = {
        "data": {"release": pending.encode({"info": {"status": "pending-upgrade"}})},
        "metadata": {"labels": {"status": "pending-upgrade"}, "resourceVersion": "7"},
    }
    runner = RecordingRunner(history(status), json.dumps(secret), "{}")

    assert pending.mark_failed(helm(runner)) == 3
    assert runner.calls[-1][-3:] == ["replace", "--filename=-", "--output=json"]


@pytest.mark.parametrize("status", ["deployed", "failed", "superseded", "uninstalled"])
def test_revision_that_has_ended_is_left_alone(status: str) -> None:
    """Nothing is written."""
    runner = RecordingRunner(history(status))

    assert pending.mark_failed(helm(runner)) == 0
    assert len(runner.calls) == 1
