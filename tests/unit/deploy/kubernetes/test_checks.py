from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, cast

import pytest
from tests.recording import RecordingRunner

from estiba import process
from estiba.deploy.kubernetes import checks, quotas
from estiba.deploy.kubernetes.client import pods, quantity
from estiba.deploy.kubernetes.client.helm import Helm
from estiba.deploy.kubernetes.client.kubectl import Kubectl
from estiba.errors import TargetError
from estiba.process import Completed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from estiba.process import Runner


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("100m", "0.1"),
        ("2", "2"),
        ("192Mi", "201326592"),
        ("1G", "1000000000"),
        ("128e6", "128000000"),
        ("1.5E3", "1500"),
        ("2E", "2000000000000000000"),
        ("1Ei", "1152921504606846976"),
        ("250u", "0.00025"),
        ("100n", "0.0000001"),
        ("1..2", "0"),
        ("many", "0"),
    ],
)
def test_quantity_is_a_number(text: str, value: str) -> None:
    """Units are those of Kubernetes: decimal ones, binary ones, parts, and exponents."""
    assert quantity.parse(text) == Decimal(value)


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


INGRESS = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress"}
POLICY = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy"}
ADMIN = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}


def review(*rules: dict[str, list[str]], incomplete: bool = False) -> str:
    """Return what the cluster says of the rights of the account."""
    return json.dumps({"status": {"incomplete": incomplete, "resourceRules": list(rules)}})


def test_rights_on_all_that_the_chart_creates_are_asked_for_at_once() -> None:
    """What is missing is named by verb and resource."""
    but = {"apiGroups": ["", "apps", "batch", "coordination.k8s.io"], "resources": ["*"], "verbs": ["*"]}
    some = {"apiGroups": ["networking.k8s.io"], "resources": ["ingresses"], "verbs": ["get", "list", "watch", "patch"]}
    named = {**some, "verbs": ["create", "delete"], "resourceNames": ["shop"]}
    runner = RecordingRunner(review(ADMIN), review(but, some, named))
    kubectl = Kubectl(runner=runner, namespace="shop")

    assert list(checks.find_missing_rights(kubectl, [INGRESS, POLICY])) == []
    missing = "create ingresses.networking.k8s.io, delete ingresses.networking.k8s.io"
    (said,) = checks.find_missing_rights(kubectl, [INGRESS])
    assert said == f"the account may not: {missing} (in namespace shop)"
    assert len(runner.calls) == 2


def test_rights_that_a_webhook_decides_are_asked_for_one_by_one() -> None:
    """It cannot list its rules."""
    rights = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["create", "delete", "get", "list", "update", "watch"]}
    runner = RecordingRunner(review(rights, incomplete=True), "yes", "yes", "no")

    (said,) = checks.find_missing_rights(Kubectl(runner=runner, namespace="shop"), [INGRESS, POLICY])

    assert said == "the account may not: patch networkpolicies.networking.k8s.io (in namespace shop)"
    assert [argv[-3:] for argv in runner.calls[1:]] == [
        ["can-i", "patch", name]
        for name in (
            "ingresses.networking.k8s.io",
            "leases.coordination.k8s.io",
            "networkpolicies.networking.k8s.io",
        )
    ]


def deployment(**resources: object) -> dict[str, object]:
    """Return a Deployment of three pods."""
    pod = {"containers": [{"resources": resources}]}
    return {"kind": "Deployment", "metadata": {"name": "shop-web"}, "spec": {"replicas": 3, "template": {"spec": pod}}}


def quota(**spec: object) -> dict[str, object]:
    """Return a quota that leaves half a CPU, and one pod."""
    hard = {"requests.cpu": "2", "pods": "4", "count/secrets": "1"}
    used = {"requests.cpu": "1500m", "pods": "3", "count/secrets": "1"}
    status = {"hard": hard, "used": used}
    return {"kind": "ResourceQuota", "metadata": {"name": "team"}, "spec": {"hard": hard, **spec}, "status": status}


@pytest.mark.parametrize(
    ("items", "cpu", "is_upgrade", "said"),
    [
        pytest.param([quota()], "500m", True, [], id="fits"),
        pytest.param(
            [quota()],
            "600m",
            True,
            ["quota team leaves 0.5 of requests.cpu, and the rollout needs 0.6"],
            id="too large",
        ),
        pytest.param(
            [quota()], "100m", False, ["quota team leaves 1 of pods, and the rollout needs 3"], id="first installation"
        ),
        pytest.param([quota(scopes=["BestEffort"])], "9", True, [], id="of other pods"),
        pytest.param(
            [quota()],
            "",
            True,
            ["quota team wants requests.cpu of each container, and one of deployment/shop-web has none"],
            id="nothing asked for",
        ),
        pytest.param([quota(), {"kind": "LimitRange"}], "", True, [], id="defaults"),
    ],
)
def test_quota_that_would_refuse_pods_is_named(
    items: list[dict[str, object]], cpu: str, said: list[str], *, is_upgrade: bool
) -> None:
    """Before anything is changed; the controller would only say it in an event."""
    resources = {"requests": {"cpu": cpu}} if cpu else {}
    kubectl = Kubectl(runner=RecordingRunner(json.dumps({"items": items})), namespace="shop")

    found = quotas.find_excess(kubectl, [deployment(**resources)], is_upgrade=is_upgrade)

    assert list(found) == said


def test_quotas_that_may_not_be_listed_are_no_problem() -> None:
    """As with nodes."""
    kubectl = Kubectl(runner=RecordingRunner(1), namespace="shop")

    assert list(quotas.find_excess(kubectl, [deployment()], is_upgrade=True)) == []


def node(*taints: dict[str, str]) -> str:
    """Return a cluster of one node with room, as kubectl lists it."""
    status = {"allocatable": {"cpu": "2", "memory": "4Gi"}}
    one = {"kind": "Node", "metadata": {"name": "one"}, "spec": {"taints": list(taints)}, "status": status}
    return json.dumps({"items": [one]})


FULL = {"key": "node.kubernetes.io/disk-pressure", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("taint", "toleration", "takes"),
    [
        pytest.param(FULL, None, False, id="disk is full"),
        pytest.param({**FULL, "effect": "PreferNoSchedule"}, None, True, id="only not preferred"),
        pytest.param(FULL, {"operator": "Exists"}, True, id="all tolerated"),
        pytest.param(FULL, {"key": FULL["key"], "operator": "Exists"}, True, id="key tolerated"),
        pytest.param(FULL, {"key": "team", "operator": "Exists"}, False, id="another key"),
        pytest.param(
            {"key": "team", "value": "a", "effect": "NoExecute"}, {"key": "team", "value": "a"}, True, id="value"
        ),
        pytest.param(
            {"key": "team", "value": "a", "effect": "NoExecute"},
            {"key": "team", "value": "b"},
            False,
            id="another value",
        ),
        pytest.param(FULL, {"operator": "Exists", "effect": "NoExecute"}, False, id="another effect"),
    ],
)
def test_node_with_a_taint_that_pods_do_not_tolerate_has_no_room(
    taint: dict[str, str], toleration: dict[str, str] | None, *, takes: bool
) -> None:
    """Such as one with a full disk: the scheduler would leave the pods pending."""
    pod = {"containers": [{}], "tolerations": [toleration] if toleration else []}
    wanted = {"kind": "Deployment", "metadata": {"name": "shop-web"}, "spec": {"template": {"spec": pod}}}

    found = checks.find_missing_room(Kubectl(runner=RecordingRunner(node(taint)), namespace="shop"), [wanted])

    said = f"it requests 0.00 CPU and 0 MiB; nodes that have room have the taint {taint['key']}"
    assert found == [] if takes else found == [f"no node has room for one more pod of deployment/shop-web: {said}"]


def answering(tail: str, *, stdout: str = "") -> Runner:
    """Return a runner of one command, which fails and says why."""
    answers = [Completed(argv=(), code=1, stdout=stdout, tail=tail)]
    return lambda *_, **__: answers.pop()


def test_namespace_that_does_not_exist_is_named_and_not_created() -> None:
    """It may be a slip of the pen."""
    runner = answering('Error from server (NotFound): error when creating "STDIN": namespaces "sohp" not found')

    with pytest.raises(TargetError) as caught:
        Kubectl(runner=runner, namespace="sohp", context="staging").create({})

    assert caught.value.message == "the cluster of the context staging has no namespace sohp"
    assert "kubectl --context=staging create namespace sohp" in caught.value.hint


@pytest.mark.parametrize(
    ("said", "message"),
    [
        pytest.param(
            "error: stat /nowhere/config: no such file or directory",
            "the cluster of the context prod cannot be reached: stat /nowhere/config: no such file or directory",
            id="no kubeconfig",
        ),
        pytest.param(
            'error: context "prod" does not exist',
            'the cluster of the context prod cannot be reached: context "prod" does not exist',
            id="no context",
        ),
    ],
)
def test_kubeconfig_that_does_not_lead_to_a_cluster_is_shown(said: str, message: str) -> None:
    """Nothing can be asked of a cluster then."""
    kubectl = Kubectl(runner=answering(said), namespace="shop", context="prod", kubeconfig="/nowhere/config")

    with pytest.raises(TargetError) as caught:
        kubectl.run("get", "pods")

    assert caught.value.message == message
    assert caught.value.hint.startswith("kubectl --context=prod --kubeconfig=/nowhere/config config get-contexts")


def test_pod_that_was_evicted_is_no_process() -> None:
    """It stays beside the pod that replaced it, and the release is ready without it."""
    owner = {"ownerReferences": [{"kind": "ReplicaSet"}]}
    listed = [
        {"metadata": {"name": phase, **owner}, "status": {"phase": phase}} for phase in ("Failed", "Running", "Pending")
    ]
    kubectl = Kubectl(runner=RecordingRunner(json.dumps({"items": listed})), namespace="shop")

    assert [pod["metadata"]["name"] for pod in pods.find_processes(kubectl, {})] == ["Running", "Pending"]


def test_limit_is_the_request_where_that_is_missing() -> None:
    """Kubernetes takes it for one, so that such a pod needs room, and counts for a quota of requests."""
    node = {
        "kind": "Node",
        "metadata": {"name": "one"},
        "spec": {},
        "status": {"allocatable": {"cpu": "2", "memory": "4Gi"}},
    }
    limited = {"containers": [{"resources": {"limits": {"cpu": "3", "memory": "1Gi"}}}]}
    wanted = {"kind": "Deployment", "metadata": {"name": "shop-web"}, "spec": {"template": {"spec": limited}}}
    hard = {"kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": {"hard": {"requests.cpu": "2"}}}
    room, left = (RecordingRunner(json.dumps({"items": [one]})) for one in (node, hard))

    assert checks.find_missing_room(Kubectl(runner=room, namespace="shop"), [wanted]) == [
        "no node has room for one more pod of deployment/shop-web: it requests 3.00 CPU and 1024 MiB"
    ]
    assert list(quotas.find_excess(Kubectl(runner=left, namespace="shop"), [wanted], is_upgrade=True)) == [
        "quota q leaves 2 of requests.cpu, and the rollout needs 3"
    ]


CONFLICT = """\
Apply failed with 1 conflict: conflict with "{manager}"{more} using apps/v1: {field}
Please review the fields above--they currently have other managers. Here
are the ways you can resolve this warning:
* If you intend to manage all of these fields, please re-run the apply
  command with the `--force-conflicts` flag.
* If you do not intend to manage all of the fields, please edit your
  manifest to remove references to the fields that should keep their
  current managers.
* You may co-own fields by updating your manifest to match the existing
  value; in this case, you'll become the manager if the other manager(s)
  stop managing the field (remove it from their configuration).
See https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts
"""
"""What kubectl 1.36 says of one object."""


def test_all_fields_that_somebody_else_manages_are_named() -> None:
    """Also those that the last lines of a long message have no more."""
    image = '.spec.template.spec.containers[name="worker"].image'
    said = [
        *CONFLICT.format(manager="kubectl", more=' with subresource "scale"', field=".spec.replicas").splitlines(),
        *CONFLICT.format(manager="kubectl-set", more="", field=image).splitlines(),
    ]

    def run(argv: Sequence[str], *, on_line: Callable[[str], None], **_: object) -> Completed:
        for line in said:
            on_line(line)
        return Completed(argv=tuple(argv), code=1, stdout="", tail="\n".join(said[-20:]))

    kubectl = Kubectl(runner=cast("Runner", run), namespace="shop")
    helm = Helm(kubectl=kubectl, runner=kubectl.runner, watched=process.run_watched, release="shop", timeout=60)

    assert checks.find_conflicts(helm, [deployment()]) == [f".spec.replicas, {image}: managed by kubectl, kubectl-set"]
