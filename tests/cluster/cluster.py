"""A cluster that runs, as tests and the programs under test reach it: by a kubeconfig, and by ports of this machine."""

from __future__ import annotations

import base64
import http.client
import json
import secrets
import socket
import ssl
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.cluster import plan

from estiba import config, files

if TYPE_CHECKING:
    from collections.abc import Iterator

_RELAY: Final = Path(__file__).with_name("relay.py")


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A cluster.

    Attributes:
        folder: All its files.
    """

    folder: Path

    @property
    def _record(self) -> dict[str, Any]:
        record: dict[str, Any] = json.loads((self.folder / "cluster.json").read_text())
        return record

    @property
    def obstacle(self) -> str:
        """Why it has no node, on which pods could run; empty where it has one."""
        return str(self._record["obstacle"])

    @property
    def is_whole(self) -> bool:
        """Whether pods run."""
        return not self.obstacle

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.folder / "kubeconfig"

    @property
    def registry(self) -> str:
        """Host of references to its registry, for who pushes from this machine and for its node."""
        return f"127.0.0.1:{self._record['registry_port']}"

    @property
    def redis_url(self) -> str:
        """URL of an empty Redis, for pods."""
        return f"redis://{plan.ADDRESS}:6379/0"

    def database_url(self, name: str, *, password: str) -> str:
        """Create an empty database and return its URL, for pods.

        Args:
            name: The database's.
            password: Any is right.
        """
        self.query(f'create database "{name}"')
        return f"postgresql://postgres:{password}@{plan.ADDRESS}:5432/{name}"

    def query(self, statement: str, database: str = "postgres") -> str:
        """Run an SQL statement and return its rows, one a line."""
        words = ["psql", "--host=/var/lib/postgresql", "--username=postgres", f"--dbname={database}"]
        return self.run(*words, "--no-align", "--tuples-only", f"--command={statement}")

    def environment(self) -> dict[str, str]:
        """Return this process's variables, with those by which kubectl and Helm find the cluster."""
        return config.load().environment(
            KUBECONFIG=str(self.kubeconfig),
            KUBECACHEDIR=str(self.folder / "cache"),
            HELM_CACHE_HOME=str(self.folder / "helm" / "cache"),
            HELM_CONFIG_HOME=str(self.folder / "helm" / "config"),
            HELM_DATA_HOME=str(self.folder / "helm" / "data"),
        )

    def kubectl(self, *arguments: str, check: bool = True, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run kubectl."""
        return self._client("kubectl", *arguments, check=check, stdin=stdin)

    def helm(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run Helm."""
        return self._client("helm", *arguments, check=check)

    def _client(self, program: str, *arguments: str, check: bool, stdin: str = "") -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [program, *arguments], env=self.environment(), input=stdin, capture_output=True, text=True, check=False
        )
        if check and done.returncode:
            raise AssertionError(f"{program} {' '.join(arguments)}\n{done.stdout}{done.stderr}")
        return done

    def get(self, *arguments: str) -> dict[str, Any]:
        """Return what `kubectl get` says."""
        found: dict[str, Any] = json.loads(self.kubectl("get", *arguments, "--output=json").stdout)
        return found

    @contextmanager
    def namespace(self, prefix: str = "test") -> Iterator[str]:
        """Create a namespace whose pods are held to the standard "restricted"; delete it in the end, and not wait."""
        name = f"{prefix}-{secrets.token_hex(4)}"
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
        self.kubectl("create", "--filename=-", stdin=json.dumps(made))
        try:
            # Pods are refused until the account is there that they run as.
            self.kubectl("wait", "--for=create", "--namespace", name, "serviceaccount/default", "--timeout=30s")
            yield name
        finally:
            self.kubectl("delete", "namespace", name, "--wait=false")

    @contextmanager
    def forward(self, namespace: str, service: str, port: int = 80) -> Iterator[int]:
        """Yield a loopback port of this machine that leads to a Service, through the node's own rules."""
        address = self.get("service", "--namespace", namespace, service)["spec"]["clusterIP"]
        with socket.create_server(("127.0.0.1", 0)) as listener:
            chosen: int = listener.getsockname()[1]
            route = f"{listener.fileno()}={address}:{port}"
            enter = ["nsenter", f"--target={self.pid}", "--net", "--"]
            argv = [*enter, sys.executable, str(_RELAY), route]
            child = subprocess.Popen(argv, pass_fds=[listener.fileno()])
        with child:
            try:
                yield chosen
            finally:
                child.terminate()

    @property
    def pid(self) -> int:
        """The process that made its namespaces, as this machine sees it."""
        return int((self.folder / "pid").read_text())

    def inside(self) -> list[str]:
        """Return the words before a command that make it run in the cluster's namespaces."""
        maker = self.pid
        first = Path(f"/proc/{maker}/task/{maker}/children").read_text().split()[0]
        spaces = ("--net", "--mount", "--pid", "--ipc", "--uts", *(("--cgroup",) if self.is_whole else ()))
        path = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"
        return ["nsenter", f"--target={first}", *spaces, "--", "env", "-i", path, "LANG=C.UTF-8"]

    def run(self, *argv: str, stdin: bytes = b"") -> str:
        """Run a command on the node, which must succeed, and return what it says."""
        done = subprocess.run([*self.inside(), *argv], input=stdin, capture_output=True, check=False)
        if done.returncode:
            raise AssertionError(f"{' '.join(argv)}\n{(done.stdout + done.stderr).decode(errors='replace')}")
        return done.stdout.decode().strip()

    def is_ready(self) -> bool:
        """Tell whether the API server answers and the node is ready; from then on there is a kubeconfig."""
        certificate = self.folder / "etc" / "tls.crt"
        try:
            authority = certificate.read_text()
            inside = json.loads((self.folder / "etc" / "kubeconfig").read_text())
            token = inside["users"][0]["user"]["token"]
            self._ask("/readyz", authority, token)
            nodes = json.loads(self._ask("/api/v1/nodes", authority, token))["items"]
        except (OSError, http.client.HTTPException):
            return False
        encoded = base64.b64encode(authority.encode()).decode()
        server = f"https://127.0.0.1:{self._record['api_port']}"
        document = plan.kubeconfig(server, token, **{"certificate-authority-data": encoded})
        files.write(self.kubeconfig, json.dumps(document))
        conditions = [one for node in nodes for one in node["status"].get("conditions", ())]
        return not self.is_whole or any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)

    def _ask(self, path: str, authority: str, token: str) -> bytes:
        """Get a path of the API.

        Raises:
            OSError: It does not answer, or not with 200.
        """
        context = ssl.create_default_context(cadata=authority)
        connection = http.client.HTTPSConnection("127.0.0.1", self._record["api_port"], timeout=5, context=context)
        try:
            connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        if answer.status != http.client.OK:
            raise OSError(f"{path} answers {answer.status}")
        return body
