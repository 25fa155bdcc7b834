"""The tests' own Kubernetes cluster is a real one, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.cluster import busybox, lifecycle, plan, programs
from tests.cluster.cluster import Cluster
from tests.services.harbour import ROOT

from estiba import config

if TYPE_CHECKING:
    from collections.abc import Iterator

RESTRICTED = {
    "runAsNonRoot": True,
    "runAsUser": 10001,
    "seccompProfile": {"type": "RuntimeDefault"},
}
CONTAINER = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


@pytest.fixture(scope="module")
def image(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Push a small image to the cluster's registry."""
    return busybox.publish(tmp_path_factory.mktemp("busybox") / "image", cluster.registry)


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """Create a namespace."""
    with cluster.namespace() as name:
        yield name


def template(image: str, script: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - parts of a pod's specification
    """Return a pod that runs a script of the shell."""
    container = {
        "name": "shell",
        "image": image,
        "command": [busybox.BUSYBOX, "sh", "-c", script],
        "securityContext": CONTAINER,
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }
    spec = {
        "containers": [container],
        "securityContext": RESTRICTED,
        "terminationGracePeriodSeconds": 0,
        "volumes": [{"name": "tmp", "emptyDir": {}}],
        **more,
    }
    return {"metadata": {"labels": {"app": "shell"}}, "spec": spec}


def create(cluster: Cluster, namespace: str, one: dict[str, Any]) -> None:
    """Create an object."""
    cluster.kubectl("create", "--namespace", namespace, "--filename=-", stdin=json.dumps(one))


def deployment(image: str, script: str, replicas: int = 1) -> dict[str, Any]:
    """Return a Deployment of pods that run a script."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "shell"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "shell"}},
            "template": template(image, script),
        },
    }


def run_job(cluster: Cluster, namespace: str, image: str, script: str) -> str:
    """Run a script as a Job to its end, and return what it said."""
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "once"},
        "spec": {"backoffLimit": 0, "template": template(image, script, restartPolicy="Never")},
    }
    create(cluster, namespace, job)
    options = ("--namespace", namespace)
    cluster.kubectl("wait", *options, "job/once", "--for=jsonpath={.status.conditions[0].type}", "--timeout=60s")
    said = cluster.kubectl("logs", *options, "job/once").stdout
    assert cluster.get(*options, "job/once")["status"].get("succeeded") == 1, said
    return said


def ask(port: int) -> bytes:
    """Return what a forwarded port answers."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
        body: bytes = answer.read()
        return body


def wait_for(port: int) -> None:
    """Wait until the node's rules know the pods of a Service, and these listen."""
    deadline = time.monotonic() + 10
    while True:
        try:
            ask(port)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def test_node_is_ready(cluster: Cluster) -> None:
    """There is one, of the version that is asked for."""
    (node,) = cluster.get("nodes")["items"]

    assert node["status"]["nodeInfo"]["kubeletVersion"] == f"v{programs.version()}"


def test_image_runs_restricted(cluster: Cluster, namespace: str, image: str) -> None:
    """What was pushed from this machine runs there under the same reference; its logs and a shell in it are reached."""
    create(cluster, namespace, deployment(image, "id -u; exec sleep 600"))
    options = ("--namespace", namespace)
    cluster.kubectl("rollout", "status", *options, "deployment/shell", "--timeout=60s")

    assert cluster.kubectl("logs", *options, "deployment/shell").stdout == "10001\n"
    said = cluster.kubectl("exec", *options, "deployment/shell", "--", busybox.BUSYBOX, "cat", "/etc/hostname")
    assert said.stdout.startswith("shell-")


def test_privileged_pod_is_refused(cluster: Cluster, namespace: str, image: str) -> None:
    """The namespace holds pods to the standard "restricted"."""
    pod = {"apiVersion": "v1", "kind": "Pod", **template(image, "true", securityContext={}), "metadata": {"name": "x"}}
    done = cluster.kubectl("create", "--namespace", namespace, "--filename=-", stdin=json.dumps(pod), check=False)

    assert done.returncode != 0
    assert 'violates PodSecurity "restricted' in done.stderr


def test_service_is_reached_from_everywhere(cluster: Cluster, namespace: str, image: str) -> None:
    """A Service answers this machine by a forwarded port, and pods by its name."""
    serve = "mkdir /tmp/www; echo hello >/tmp/www/index.html; exec busybox httpd -f -p 8000 -h /tmp/www"
    create(cluster, namespace, deployment(image, serve, replicas=2))
    options = ("--namespace", namespace)
    cluster.kubectl("expose", *options, "deployment/shell", "--port=80", "--target-port=8000")
    cluster.kubectl("rollout", "status", *options, "deployment/shell", "--timeout=60s")

    with cluster.forward(namespace, "shell") as port:
        wait_for(port)
        answers = [ask(port) for _ in range(100)]
    assert answers == [b"hello\n"] * 100
    assert run_job(cluster, namespace, image, f"busybox wget -q -O - http://shell.{namespace}") == "hello\n"


def test_databases_are_reached_by_pods(cluster: Cluster, namespace: str, image: str) -> None:
    """PostgreSQL and Redis answer pods at the node's address."""
    url = cluster.database_url("orders", password="any")
    node = plan.ADDRESS
    script = f"echo | busybox nc {node} 5432 && printf 'PING\\r\\nQUIT\\r\\n' | busybox nc {node} 6379"

    assert url == f"postgresql://postgres:any@{plan.ADDRESS}:5432/orders"
    assert cluster.query("select current_database()", "orders") == "orders"
    assert "+PONG" in run_job(cluster, namespace, image, script)


class Traces:
    """What a cluster that runs could leave on this machine; other tests start and end clusters meanwhile."""

    def __init__(self, cluster: Cluster) -> None:
        self.folder = cluster.folder
        # Kept open, or its number is free for the next cluster; unlike a network, a host name keeps nothing alive.
        self.space = os.open(f"/proc/{cluster.pid}/ns/uts", os.O_RDONLY)
        self.groups = [Path(one["path"]) for one in json.loads((self.folder / "cluster.json").read_text())["groups"]]

    def processes(self) -> list[str]:
        """Return the command lines of those in its UTS namespace."""
        space = os.fstat(self.space)
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if os.path.samestat((process / "ns" / "uts").stat(), space):
                    found.append((process / "cmdline").read_text())
        return found

    def left(self) -> list[str]:
        """Return all that is there."""
        mounts = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(self.folder) in line]
        files = [str(path) for path in (self.folder, *self.groups) if path.exists()]
        return [*self.processes(), *mounts, *files]


def test_two_run_side_by_side_and_leave_nothing(cluster: Cluster, tmp_path: Path) -> None:
    """A second cluster changes nothing of the first, is the same when started again, and goes without a trace."""
    interfaces = socket.if_nameindex()
    folder = tmp_path / "second"
    second = lifecycle.up(folder)
    with second.namespace() as name:
        image = busybox.publish(tmp_path / "image", second.registry)
        create(second, name, deployment(image, "exec sleep 600"))
        second.kubectl("rollout", "status", "--namespace", name, "deployment/shell", "--timeout=60s")
        pid = second.pid
        assert lifecycle.up(folder).pid == pid
        assert name not in cluster.kubectl("get", "namespaces").stdout
    traces = Traces(second)
    assert len(traces.processes()) > 10
    lifecycle.down(folder)

    assert traces.left() == []
    assert socket.if_nameindex() == interfaces
    assert cluster.is_ready()


def environment() -> dict[str, str]:
    """Return the variables of a process that uses this code."""
    return config.load().environment(PYTHONPATH=f"{ROOT / 'src'}:{ROOT}")


def test_start_that_is_killed_is_made_good(tmp_path: Path) -> None:
    """After `kill -9` in the middle, the next start goes on, and the end leaves nothing."""
    folder = tmp_path / "killed"
    argv = [sys.executable, "-m", "tests.cluster", "up", str(folder)]
    with subprocess.Popen(
        argv, cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as starting:
        while not (folder / "pid").exists():
            assert starting.poll() is None
            time.sleep(0.02)
        starting.kill()
    first = Traces(lifecycle.up(folder))
    # With its first process the whole cluster goes, and it comes again.
    os.kill(Cluster(folder=folder).pid, signal.SIGKILL)
    second = Traces(lifecycle.up(folder))
    assert first.processes() == []
    lifecycle.down(folder)
    lifecycle.down(folder)

    assert second.left() == []


def test_without_a_superuser_there_is_the_api(tmp_path: Path) -> None:
    """It says why it has no node, still checks and keeps what it is told, and leaves nothing."""
    folder = tmp_path / "part"
    argv = ["unshare", "--user", "--map-root-user", "--", sys.executable, "-m", "tests.cluster"]
    subprocess.run([*argv, "up", str(folder)], cwd=ROOT, env=environment(), check=True)
    part = Cluster(folder=folder)
    obstacle, traces = part.obstacle, Traces(part)
    create(part, "default", deployment("busybox", "true"))
    options = ("--namespace", "default")
    part.kubectl("wait", *options, "deployment/shell", "--for=jsonpath={.status.unavailableReplicas}=1")
    refused = part.kubectl("create", *options, "service", "clusterip", "-x", "--tcp=80", check=False)
    subprocess.run([*argv, "down", str(folder)], cwd=ROOT, env=environment(), check=True)

    assert obstacle == "the kubelet needs a superuser: run the tests as root"
    assert refused.returncode != 0
    assert traces.left() == []
