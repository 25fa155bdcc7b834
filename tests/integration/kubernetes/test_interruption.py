"""The sample service on a real cluster while commands end in the middle: by a signal, by nobody's leave."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from tests.services import pods, processes
from tests.services.harbour import LIBRARY, ROOT

from estiba import config

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cluster.cluster import Cluster
    from tests.services.pods import Pods

ABSENT = {"startup": "/absent/", "liveness": "/health/", "readiness": "/absent/"}
INTERRUPTED = 130


@pytest.fixture(scope="module")
def served(shop: Path, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pods]:
    """Deploy the sample service by an account that may change this namespace alone."""
    with pods.made(shop, cluster, tmp_path_factory.mktemp("pods")) as site:
        site.kubectl("create", "serviceaccount", "deployer")
        account = f"--serviceaccount={site.namespace}:deployer"
        site.kubectl("create", "rolebinding", "deployer", "--clusterrole=admin", account)
        known = json.loads(cluster.kubeconfig.read_text())
        known["users"][0]["user"] = {"token": site.kubectl("create", "token", "deployer").strip()}
        (site.folder.parent / "kubeconfig").write_text(json.dumps(known))
        path = site.folder / "pyproject.toml"
        path.write_text(path.read_text().replace(str(cluster.kubeconfig), str(site.folder.parent / "kubeconfig")))
        site.write("1.0.0")
        site.run("deploy")
        yield site


def end(site: Pods, number: int) -> tuple[int, str]:
    """Deploy pods that never get ready, whose migration drops a column; send a signal once that is gone."""
    env = config.load().environment(
        ESTIBA_FLAKE=LIBRARY, PYTHONPATH=str(ROOT / "src"), ESTIBA_STATE_DIR=str(site.folder.parent / "state")
    )
    argv = [sys.executable, "-m", "invoke", "deploy", "--contract", "--target=production"]
    with subprocess.Popen(argv, cwd=site.folder, env=env, stderr=subprocess.PIPE, text=True) as child:
        while "price" in site.columns() and child.poll() is None:
            time.sleep(0.2)
        child.send_signal(number)
        _, said = child.communicate()
        return child.returncode, said


def test_rollback_after_a_kill_goes_to_what_was_served(served: Pods) -> None:
    """It undoes the killed deployment, and nothing more; so does the abortion of a release."""
    served.write("1.0.0.1")
    before = served.run("deploy")
    served.write("1.0.0.2", processDefaults={**pods.VALUES["processDefaults"], "probes": ABSENT})  # type: ignore[dict-item]
    with served.start("deploy") as child:
        served.wait_for("pods", "--selector=app.kubernetes.io/component=web", "--field-selector=status.phase=Pending")
        os.killpg(child.pid, signal.SIGKILL)

    back = served.run("rollback")

    assert (before["version"], back["result"], back["version"]) == ("1.0.0.1", "rolled back", "1.0.0.1")
    found = served.status()
    assert (found["ready"], found["release"]["version"], found["notes"]) == (True, "1.0.0.1", [])
    assert served.run("rollback")["version"] == "1.0.0"


def helms(site: Pods) -> list[int]:
    """Return the processes of Helm that work on the release."""
    return processes.find(f"^helm .*--namespace={site.namespace}")


def test_schema_comes_back_after_a_signal(served: Pods) -> None:
    """SIGTERM goes the way back; SIGKILL ends Helm too, and the next command goes that way, also one that ends all."""
    model, migration = served.folder / "catalog/models.py", served.folder / "catalog/migrations/0002_no_price.py"
    before = model.read_text()
    model.write_text("".join(one for one in before.splitlines(keepends=True) if "price" not in one))
    served.migrate("0002_no_price", "migrations.RemoveField('product', 'price')")
    after = {path: path.read_text() for path in (model, migration)}
    served.write("1.1.0", processDefaults={**pods.VALUES["processDefaults"], "probes": ABSENT})  # type: ignore[dict-item]

    code, said = end(served, signal.SIGTERM)
    assert (code, "1.0.0 is served again" in said) == (INTERRUPTED, True), said
    assert "price" in served.columns()

    assert end(served, signal.SIGKILL)[0] == -signal.SIGKILL
    assert "price" not in served.columns()
    time.sleep(2)
    assert helms(served) == []

    migration.unlink()
    model.write_text(before)
    served.write("1.0.1")
    assert served.run("deploy")["result"] == "deployed"
    assert "price" in served.columns()
    assert "interrupted" in served.kubectl("get", "configmap", "estiba-shop", "--output=yaml")

    for path, text in after.items():
        path.write_text(text)
    served.write("1.1.0", processDefaults={**pods.VALUES["processDefaults"], "probes": ABSENT})  # type: ignore[dict-item]
    assert end(served, signal.SIGKILL)[0] == -signal.SIGKILL
    # Without the logs of the Job, the database is asked.
    served.wait_for("jobs", "--selector=app.kubernetes.io/component=migrate", "--field-selector=status.successful=1")
    served.kubectl("delete", "pods", "--selector=app.kubernetes.io/component=migrate")
    assert (served.run("down")["reason"], "price" in served.columns()) == ("", True)
    assert "-pending" in served.kubectl("get", "jobs", "--output=name")
    assert served.status()["release"] == {}
