"""The chart in a real cluster: the API accepts what it renders, and the sample service runs."""

from __future__ import annotations

import functools
import http.client
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.cluster import definitions

from estiba.image import layout
from estiba.imageref import ImageRef
from estiba.publish.registry import push
from estiba.publish.registry.client import Registry

if TYPE_CHECKING:
    from tests.cluster.cluster import Cluster

    from estiba.build.oci_image import Built

CHART = Path(__file__).parents[3] / "helm" / "django-service"
SCENARIOS = sorted(path.name.removesuffix("-values.yaml") for path in (CHART / "ci").glob("*-values.yaml"))


@pytest.fixture(scope="module")
def defined(any_cluster: Cluster) -> Cluster:
    """Return a cluster that knows the objects of others that the chart makes."""
    definitions.apply(any_cluster)
    return any_cluster


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_api_accepts_a_scenario(defined: Cluster, scenario: str) -> None:
    """Every object is one that the API server would take, with no field that it does not know."""
    values = str(CHART / "ci" / f"{scenario}-values.yaml")
    rendered = defined.helm("template", "shop", str(CHART), "--values", values, "--namespace", "default").stdout
    options = ("--server-side", "--dry-run=server", "--validate=strict", "--namespace", "default", "--filename=-")
    done = defined.kubectl("apply", *options, stdin=rendered)

    assert done.stderr == ""


@functools.cache
def publish(host: str, path: Path) -> str:
    """Push an image to a registry, and return its digest."""
    image = layout.read(path)
    target = ImageRef.parse(f"{host}/team/shop:1")
    connection = Registry(target, writes=True)
    push.push(push.plan(image, target, connection), connection)
    return str(image.digest)


def secret(cluster: Cluster) -> dict[str, Any]:
    """Return what an operator creates before the first release."""
    values = {
        "SHOP_SECRET_KEY": "kq3v9XwLz0TnB5yRj8HsEf2UdC7pMa4gNb6tWxQy1ZoJiVhKrS",
        "DATABASE_URL": cluster.database_url("shop", password="any"),
        "REDIS_URL": cluster.redis_url,
    }
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "shop-env"}, "stringData": values}


def volume(folder: Path, namespace: str) -> list[dict[str, Any]]:
    """Return a volume in a folder of this machine, and a claim for it, as an administrator makes them by hand."""
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    common = {"accessModes": ["ReadWriteMany"], "storageClassName": ""}
    size = {"storage": "1Gi"}
    claim = {**common, "volumeName": namespace, "resources": {"requests": size}}
    return [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": namespace},
            "spec": {**common, "capacity": size, "hostPath": {"path": str(folder)}},
        },
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"}, "spec": claim},
    ]


LOOK = "import os, pathlib; pathlib.Path('/app/data/kept').touch(); print(os.environ['CACHE'])"


def values(repository: str, digest: str) -> dict[str, Any]:
    """Return the values of the sample service, whose settings have names of their own."""
    probes = {"startup": "/health/", "liveness": "/health/", "readiness": "/health/"}
    return {
        "image": {"repository": repository, "digest": digest},
        "hosts": ["shop.example"],
        "env": {"SHOP_HOSTS": "shop.example", "CACHE": "{REDIS_URL}"},
        "persist": {"paths": ["/app/catalog", "/app/data"], "existingClaim": "data"},
        "secrets": {"existing": ["shop-env"]},
        "processes": {"web": {"probes": probes}},
        "smoke": ["/health/", "/"],
    }


def test_service_runs(cluster: Cluster, shop_image: Built, tmp_path: Path) -> None:
    """Helm installs the sample service with its migrations, its own test passes, and its page is reached.

    Its folders of data are on a volume, which begins with what the image has in them, and variables refer to a Secret.
    """
    digest = publish(cluster.registry, shop_image.path)
    file = tmp_path / "values.json"
    file.write_text(json.dumps(values(f"{cluster.registry}/team/shop", digest)))
    with cluster.namespace("shop") as namespace:
        options = ("--namespace", namespace)
        for one in (secret(cluster), *volume(tmp_path / "volume", namespace)):
            cluster.kubectl("create", *options, "--filename=-", stdin=json.dumps(one))
        cluster.helm(
            "upgrade", "--install", "shop", str(CHART), *options, "--values", str(file), "--wait", "--timeout", "3m"
        )
        tested = cluster.helm("test", "shop", *options, "--logs")
        with cluster.forward(namespace, "shop-web") as port:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("GET", "/", headers={"Host": "shop.example"})
            page = connection.getresponse().read().decode()
            connection.close()
        said = cluster.kubectl("exec", *options, "deploy/shop-web", "--", "/opt/venv/bin/python", "-c", LOOK).stdout
        pods = cluster.get("pods", *options)["items"]

    started = {one["name"]: one["restartCount"] for pod in pods for one in pod["status"]["containerStatuses"]}
    assert started == {"migrate": 0, "scheduler": 0, "smoke": 0, "web": 0, "worker": 0}
    assert "/health/ 200" in tested.stdout
    assert "<html" in page
    assert said.strip() == cluster.redis_url
    assert (tmp_path / "volume/app/data/kept").exists()
    assert (tmp_path / "volume/app/catalog/models.py").exists()
