"""The lock of a target."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from tests.recording import RecordingRunner

from estiba.deploy.kubernetes.client.kubectl import Kubectl
from estiba.deploy.kubernetes.state import lease
from estiba.deploy.logbook import Record


def test_lock_is_freed_by_its_holder_alone() -> None:
    """One that has expired meanwhile may be somebody else's: the server compares the holder."""
    record = Record.begin("deploy")
    holder = str(lease.Holder.of(record))
    now = datetime.now(tz=UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    spec = {"holderIdentity": "", "leaseDurationSeconds": 60, "renewTime": now}
    found = json.dumps({"metadata": {"name": "estiba-shop", "resourceVersion": "7"}, "spec": spec})
    runner = RecordingRunner(found, found, "")

    with lease.acquire(Kubectl(runner=runner, namespace="shop"), "estiba-shop", record):
        pass

    argv = runner.calls[-1]
    patch = json.loads(argv[-1].removeprefix("--patch="))
    assert "--type=json" in argv
    assert patch[0] == {"op": "test", "path": "/spec/holderIdentity", "value": holder}
