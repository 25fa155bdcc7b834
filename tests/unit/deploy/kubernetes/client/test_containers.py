from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.recording import RecordingRunner

from estiba.deploy.kubernetes.client import containers
from estiba.deploy.kubernetes.client.kubectl import Kubectl
from estiba.process import Completed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from estiba.process import Runner


def running(container: dict[str, Any]) -> dict[str, Any]:
    """Return a Deployment of one container."""
    return {"kind": "Deployment", "spec": {"template": {"spec": {"containers": [container]}}}}


def test_folder_of_data_without_a_volume_is_named() -> None:
    """It would be lost with the pod; a volume around it is one."""
    rendered = [running({"volumeMounts": [{"mountPath": "/app/data"}, {"mountPath": "/var/lib"}]})]

    assert containers.find_unmounted(rendered, ("/app/data", "/var/lib/shop")) == []
    assert containers.find_unmounted(rendered, ("/app/more",)) == [
        "'persist' of [tool.estiba] has /app/more, where the chart's pods have no volume: invoke chart.render sets it"
    ]


def test_reference_to_no_variable_is_named() -> None:
    """Kubernetes leaves it as it is; names of Secrets are asked for, and one that is yet to be made may have it."""
    values = {"CACHE_URL": "$(REDIS_URL)", "LINK": "$(SHOP_WEB_SERVICE_HOST)", "TEXT": "$$(NONE)"}
    env = [{"name": name, "value": value} for name, value in values.items()]
    container = {"env": env, "envFrom": [{"configMapRef": {"name": "env"}}, {"secretRef": {"name": "own"}}]}
    rendered: list[dict[str, Any]] = [
        running(container),
        {"kind": "ConfigMap", "metadata": {"name": "env"}, "data": {"LEVEL": "INFO"}},
    ]
    names = {"own": "SECRET_KEY\nREDIS_URL\n"}

    def answer(argv: Sequence[str], **_: object) -> Completed:
        assert list(argv)[3:5] == ["get", "secret"]
        text = names.get(argv[5])
        tail = "" if text else "Error from server (NotFound)"
        return Completed(argv=tuple(argv), code=0 if text else 1, stdout=text or "", tail=tail)

    kubectl = Kubectl(runner=answer, namespace="shop")
    assert containers.find_dangling(kubectl, rendered) == []
    names["own"] = "SECRET_KEY\n"
    assert containers.find_dangling(kubectl, rendered) == [
        "variable CACHE_URL refers to {REDIS_URL}, which neither the chart nor its Secrets have"
    ]
    names.clear()
    assert containers.find_dangling(kubectl, rendered) == []


def reading(*sources: dict[str, object]) -> dict[str, object]:
    """Return a Deployment whose pods read variables from some sources."""
    pod = {"containers": [{"envFrom": list(sources)}]}
    return {"kind": "Deployment", "metadata": {"name": "shop-web"}, "spec": {"template": {"spec": pod}}}


def test_what_has_to_exist_before_is_asked_for_at_once() -> None:
    """What the release makes, or an operator for it, and what may be missing is not."""
    objects: list[dict[str, object]] = [
        reading(
            {"secretRef": {"name": "shop-env"}},
            {"secretRef": {"name": "more", "optional": True}},
            {"secretRef": {"name": "store"}},
            {"configMapRef": {"name": "shop-env"}},
            {"configMapRef": {"name": "shared"}},
        ),
        {"kind": "ConfigMap", "metadata": {"name": "shop-env"}},
        {"kind": "ExternalSecret", "metadata": {"name": "shop-store"}, "spec": {"target": {"name": "store"}}},
    ]
    runner = RecordingRunner("namespace/shop\nconfigmap/shared\n", "")
    kubectl = Kubectl(runner=runner, namespace="shop")

    assert containers.find_missing_objects(kubectl, objects) == [
        "there is no secret/shop-env in namespace shop, which pods read variables from"
    ]
    assert containers.find_missing_objects(kubectl, objects) == [
        "there is no namespace shop: kubectl create namespace shop"
    ]
    assert runner.calls[0][3:] == [
        "get",
        "namespace/shop",
        "configmap/shared",
        "secret/shop-env",
        "--ignore-not-found",
        "--output=name",
    ]


def answering(tail: str, *, stdout: str = "") -> Runner:
    """Return a runner of one command, which fails and says why."""
    answers = [Completed(argv=(), code=1, stdout=stdout, tail=tail)]
    return lambda *_, **__: answers.pop()


def test_object_that_may_not_be_looked_at_is_not_missed() -> None:
    """An account of the namespace alone may not look at namespaces."""
    denied = 'Error from server (Forbidden): namespaces "shop" is forbidden: User "ci" cannot get resource'
    kubectl = Kubectl(runner=answering(denied, stdout="secret/shop-env\n"), namespace="shop")

    assert containers.find_missing_objects(kubectl, [reading({"secretRef": {"name": "shop-env"}})]) == []
