from __future__ import annotations

import json
from decimal import Decimal

import pytest
from tests.recording import RecordingRunner

from estiba.deploy.kubernetes import checks
from estiba.deploy.kubernetes.client.kubectl import Kubectl


@pytest.mark.parametrize(
    ("text", "value"), [("100m", "0.1"), ("2", "2"), ("192Mi", "201326592"), ("1G", "1000000000"), ("many", "0")]
)
def test_quantity_is_a_number(text: str, value: str) -> None:
    """Units are those of Kubernetes: decimal ones, binary ones, and thousandths."""
    assert checks.parse_quantity(text) == Decimal(value)


def test_pod_that_no_node_has_room_for_is_named() -> None:
    """What pods that run have requested is taken; pods that have ended take nothing."""
    node = {
        "kind": "Node",
        "metadata": {"name": "one"},
        "spec": {},
        "status": {"allocatable": {"cpu": "2", "memory": "4Gi"}},
    }
    container = {"resources": {"requests": {"cpu": "1500m", "memory": "1Gi"}}}
    pods = [
        {
            "kind": "Pod",
            "metadata": {"name": phase},
            "spec": {"nodeName": "one", "containers": [container]},
            "status": {"phase": phase},
        }
        for phase in ("Running", "Succeeded")
    ]
    wanted = {
        "kind": "Deployment",
        "metadata": {"name": "shop-web"},
        "spec": {"template": {"spec": {"containers": [{"resources": {"requests": {"cpu": "1", "memory": "192Mi"}}}]}}},
    }
    runner = RecordingRunner(json.dumps({"items": [node, *pods]}))

    assert checks.find_missing_room(Kubectl(runner=runner, namespace="shop"), [wanted]) == [
        "no node has room for one more pod of deployment/shop-web: it requests 1.00 CPU and 192 MiB"
    ]
