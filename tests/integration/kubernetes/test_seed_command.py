"""The command by which users of Helm install a service, in one that `invoke new` has made."""

from __future__ import annotations

import http.client
import json
import subprocess
from typing import TYPE_CHECKING, Final

from tests.services import shop

from estiba.image import layout
from estiba.imageref import ImageRef
from estiba.process import run
from estiba.publish.registry import push
from estiba.publish.registry.client import Registry
from estiba.scaffold.helm import thin
from estiba.service import project as projects

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.cluster import Cluster

COMMAND: Final = "helm upgrade --install harbour ./helm/harbour --namespace harbour --values values.prod.yaml"
NAMESPACE: Final = ("--namespace", "harbour")
SECRET_KEY: Final = "kq3v9XwLz0TnB5yRj8HsEf2UdC7pMa4gNb6tWxQy1ZoJiVhKrS"


def prepare(folder: Path, cluster: Cluster) -> None:
    """Build and push the image of the service, and render its chart for it."""
    settings = folder / "pyproject.toml"
    settings.write_text(settings.read_text().replace("registry.example", cluster.registry))
    shop.git(folder, "init", "--quiet")
    shop.commit(folder, "New service")
    image = layout.read(shop.built(folder).path)
    target = ImageRef.parse(f"{cluster.registry}/harbour:0.1.0")
    connection = Registry(target, writes=True)
    push.push(push.plan(image, target, connection), connection)
    thin.render(projects.load(folder), run, digest=image.digest)


def create_namespace(cluster: Cluster) -> None:
    """Create what an operator does before the first release."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    values = {
        "SECRET_KEY": SECRET_KEY,
        "DATABASE_URL": cluster.database_url("harbour", password="any"),
        "REDIS_URL": cluster.redis_url,
    }
    for one in (
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "harbour", "labels": labels}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "harbour-env"}, "stringData": values},
    ):
        options = NAMESPACE if one["kind"] == "Secret" else ()
        cluster.kubectl("create", *options, "--filename=-", stdin=json.dumps(one))


def test_command_of_the_seed_installs_a_new_service(template: Path, cluster: Cluster, tmp_path: Path) -> None:
    """Word for word, with the values of production: migrated, all pods ready, its own test passes, its page answers."""
    folder = shop.copy(template, tmp_path / "harbour")
    prepare(folder, cluster)
    create_namespace(cluster)
    try:
        subprocess.run(COMMAND.split(), cwd=folder, env=cluster.environment(), check=True)
        for one in cluster.get("deployments", *NAMESPACE)["items"]:
            name = one["metadata"]["name"]
            cluster.kubectl("rollout", "status", f"deployment/{name}", *NAMESPACE, "--timeout=120s")
        cluster.helm("test", "harbour", *NAMESPACE, "--logs")
        with cluster.forward("harbour", "harbour-web") as port:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("GET", "/", headers={"Host": "harbour.example", "X-Forwarded-Proto": "https"})
            answer = connection.getresponse()
            page = answer.read().decode()
            connection.close()
        pods = cluster.get("pods", *NAMESPACE)["items"]
    finally:
        cluster.kubectl("delete", "namespace", "harbour", "--wait=false")

    restarts = {one["name"]: one["restartCount"] for pod in pods for one in pod["status"]["containerStatuses"]}
    assert restarts["web"] == restarts["migrate"] == 0
    assert (answer.status, "<html" in page) == (200, True), page
