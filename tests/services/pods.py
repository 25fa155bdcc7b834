"""The sample service with a target in the tests' cluster, to be changed and deployed by its own tasks."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from tests.services import shop
from tests.services.harbour import LIBRARY, ROOT, invoke

from estiba import config

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.cluster.cluster import Cluster

PASSWORD: Final = "kept-from-all-output-8271"
"""Password of the database, which nothing that is printed or kept may have."""

SECRET_KEY: Final = "of-the-tests-0123456789-abcdefghijklmnopqrstuvwxyz"
VALUES: Final = {
    "hosts": ["shop.example"],
    "env": {"SHOP_HOSTS": "shop.example,localhost"},
    "secrets": {"existing": ["shop-env"]},
    "processDefaults": {
        "probes": {"startup": "/health/", "liveness": "/health/", "readiness": "/health/"},
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}},
        "startupSeconds": 30,
        "drainSeconds": 2,
        "gracePeriodSeconds": 5,
    },
    "migrations": {"timeoutSeconds": 40},
    "processes": {"worker": None, "scheduler": None},
    "smoke": ["/health/", "/"],
}
"""Values of the target, beside those that a deployment decides."""

MIGRATION: Final = """\
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("catalog", "{after}")]
    operations = [{operations}]
"""


@dataclass(frozen=True, kw_only=True)
class Pods:
    """A service with a target in a cluster.

    Attributes:
        folder: The service's.
        cluster: The cluster.
        namespace: Namespace of the target.
    """

    folder: Path
    cluster: Cluster
    namespace: str

    def invoke(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a task for the target."""
        state = str(self.folder.parent / "state")
        done = invoke(self.folder, *arguments, "--target=production", check=check, ESTIBA_STATE_DIR=state)
        assert PASSWORD not in done.stdout + done.stderr
        assert SECRET_KEY not in done.stdout + done.stderr
        return done

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a task for the target in a process group of its own, to be killed."""
        state = str(self.folder.parent / "state")
        env = config.load().environment(ESTIBA_FLAKE=LIBRARY, PYTHONPATH=str(ROOT / "src"), ESTIBA_STATE_DIR=state)
        argv = [sys.executable, "-m", "invoke", *arguments, "--target=production"]
        return subprocess.Popen(
            argv, cwd=self.folder, env=env, start_new_session=True, text=True, stderr=subprocess.DEVNULL
        )

    def wait_for(self, *arguments: str) -> None:
        """Wait until `kubectl get` finds something."""
        for _ in range(1200):
            if self.kubectl("get", *arguments, "--output=name"):
                return
            time.sleep(0.25)
        raise AssertionError(arguments)

    def run(self, *arguments: str) -> dict[str, Any]:
        """Run a task that must succeed and return what it says."""
        found: dict[str, Any] = json.loads(self.invoke(*arguments, "--json").stdout)
        return found

    def fail(self, *arguments: str) -> tuple[int, str]:
        """Run a task that must fail; return its exit code and what it said."""
        done = self.invoke(*arguments, check=False)
        assert done.returncode != 0, done.stdout + done.stderr
        return done.returncode, done.stderr

    def status(self) -> dict[str, Any]:
        """Return how the target is doing, ready or not."""
        found: dict[str, Any] = json.loads(self.invoke("status", "--json", check=False).stdout)
        return found

    def write(self, version: str, **values: object) -> None:
        """Give the service a version, which its page shows, and its target other values."""
        path = self.folder / "pyproject.toml"
        lines = path.read_text().splitlines()
        path.write_text("\n".join(f'version = "{version}"' if one.startswith("version =") else one for one in lines))
        page = self.folder / "catalog/templates/catalog/index.html"
        page.write_text(f"{page.read_text().partition('<!--')[0]}<!-- {version} -->\n")
        (self.folder / "values.prod.yaml").write_text(json.dumps({**VALUES, **values}))
        shop.commit(self.folder, version)

    def migrate(self, name: str, operations: str) -> None:
        """Add a migration after the last one."""
        folder = self.folder / "catalog/migrations"
        last = max(path.stem for path in folder.glob("0*.py"))
        (folder / f"{name}.py").write_text(MIGRATION.format(after=last, operations=operations))

    def kubectl(self, *arguments: str, check: bool = True) -> str:
        """Run kubectl in the namespace, and return what it prints."""
        return self.cluster.kubectl("--namespace", self.namespace, *arguments, check=check).stdout

    def manage(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a management command in a pod."""
        return invoke(self.folder, "manage", "--target=production", "--", *words, check=check)

    def answer(self, words: Sequence[str], *answers: str) -> str:
        """Run a management command in a pod by a terminal, and type a line for each of its questions."""
        env = config.load().environment(ESTIBA_FLAKE=LIBRARY, PYTHONPATH=str(ROOT / "src"))
        argv = [sys.executable, "-m", "invoke", "manage", "--target=production", "--", *words]
        ours, theirs = pty.openpty()
        with subprocess.Popen(argv, cwd=self.folder, env=env, stdin=theirs, stdout=theirs, stderr=theirs) as child:
            os.close(theirs)
            said, left = "", list(answers)
            # Linux ends the reading of a terminal that nobody else has open by an error (pty(7)).
            with contextlib.suppress(OSError):
                while text := os.read(ours, 4096).decode():
                    said += text
                    if left and said.rstrip().endswith(":"):
                        os.write(ours, f"{left.pop(0)}\n".encode())
                        said += "\n"
        os.close(ours)
        assert child.returncode == 0, said
        return said

    def hold(self, owner: str) -> None:
        """Give the lock of the target to somebody, or free it."""
        now = datetime.now(tz=UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = {"holderIdentity": owner, "leaseDurationSeconds": 3600, "renewTime": now}
        self.kubectl("patch", "lease", "estiba-shop", "--type=merge", f"--patch={json.dumps({'spec': spec})}")

    def history(self) -> list[str]:
        """Return Helm's statuses of the revisions, oldest first."""
        done = self.cluster.helm("history", "shop", "--namespace", self.namespace, "--output=json")
        return [str(one["status"]) for one in json.loads(done.stdout)]

    def columns(self) -> set[str]:
        """Return the columns of the products' table."""
        statement = "select column_name from information_schema.columns where table_name = 'catalog_product'"
        return set(self.cluster.query(statement, self.namespace).split())

    def evidence(self) -> list[Path]:
        """Return the files of evidence of all failures."""
        state = self.folder.parent / "state"
        return [path for path in state.rglob("*") if path.is_file()]


@contextmanager
def made(service: Path, cluster: Cluster, target: Path) -> Iterator[Pods]:
    """Copy the service and give it a namespace, with a database and its secrets.

    Args:
        service: The sample service, locked and fetched.
        cluster: The cluster.
        target: Folder for the copy and its state.
    """
    folder = shop.copy(service, target / "shop")
    with cluster.namespace("shop") as namespace:
        url = cluster.database_url(namespace, password=PASSWORD)
        data = {"DATABASE_URL": url, "REDIS_URL": cluster.redis_url, "SHOP_SECRET_KEY": SECRET_KEY}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "shop-env"}, "stringData": data}
        cluster.kubectl("create", "--namespace", namespace, "--filename=-", stdin=json.dumps(secret))
        with (folder / "pyproject.toml").open("a") as file:
            file.write(
                f"\n[tool.estiba.targets.production]\nkind = 'kubernetes'\nimage = '{cluster.registry}/shop'\n"
                f"kubeconfig = '{cluster.kubeconfig}'\nnamespace = '{namespace}'\nrelease = 'shop'\nready-limit = 30\n"
                f"timeout = 60\n"
            )
        yield Pods(folder=folder, cluster=cluster, namespace=namespace)
