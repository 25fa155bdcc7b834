"""A tagged commit of the sample service, released to a real cluster along a plan."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING

from tests.services import pods
from tests.services.harbour import invoke
from tests.services.shop import git

from estiba.errors import LogbookError, RolledBackError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.cluster import Cluster

RELEASE = """
[tool.estiba.release]
targets = ["production"]
required = ["SHOP_SECRET_KEY", "DATABASE_URL"]

[tool.estiba.release.watch]
interval = 1
"""
LATE = """

first = index


def index(request):
    if "fail" in request.GET:
        raise RuntimeError("late")
    return first(request)
"""
"""A page that works when it is tested, and not for everybody afterwards."""

PENDING = 2
"""Exit code of a plan with changes."""


def test_tagged_commit_is_planned_released_and_recorded(shop: Path, cluster: Cluster, tmp_path: Path) -> None:
    """The plan has the pending migrations and no secret; what is broken is taken back; the logbook has both."""
    with pods.made(shop, cluster, tmp_path) as site:
        with (site.folder / "pyproject.toml").open("a") as file:
            file.write(RELEASE)
        tag(site, "1.0.0")
        planned = site.invoke("release.plan", "--json", check=False)
        assert planned.returncode == PENDING, planned.stderr
        (target,) = json.loads(planned.stdout)["targets"]
        assert "catalog.0001_initial" in [one["name"] for one in target["changes"]["migrations"]]
        site.invoke("release")
        assert site.status()["release"]["version"] == "1.0.0"
        assert site.invoke("release.plan", "--json").returncode == 0

        path = site.folder / "catalog/views.py"
        views = path.read_text()
        path.write_text(f"{views}\n\ndef index(request):\n    raise RuntimeError\n")
        tag(site, "1.1.0")
        code, said = site.fail("release", "--skip=tests", "--reason=to see it fail")
        assert code == RolledBackError.exit_code, said
        assert site.status()["release"]["version"] == "1.0.0"

        records = [line for line in logbook(site) if line["command"] == "deploy"]
        assert [(line["version"], line["result"]) for line in records] == [
            ("1.0.0", "deployed"),
            ("1.1.0", "rolled back"),
        ]
        path.write_text(f"{views}{LATE}")
        check_watch(site)
        check_chains(site)


def check_watch(site: pods.Pods) -> None:
    """Release what fails later, and take it back when that is seen."""
    tag(site, "1.2.0")
    site.invoke("release", "--skip=tests", "--reason=to see it fail later")
    with site.cluster.forward(site.namespace, "shop-web") as port:
        for _ in range(20):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("GET", "/?fail=1", headers={"Host": "shop.example"})
            assert connection.getresponse().status == http.client.INTERNAL_SERVER_ERROR
            connection.close()
    code, said = site.fail("release.watch", "--minutes=1", "--rollback")
    assert (code, "RuntimeError: late" in said) == (RolledBackError.exit_code, True), said
    assert site.status()["release"]["version"] == "1.0.0"
    assert [line["command"] for line in logbook(site)][-2:] == ["watch", "rollback"]


def check_chains(site: pods.Pods) -> None:
    """Find what was changed in the cluster, and what was taken away on the branch, also by who computes all hashes."""
    site.invoke("logbook.verify")
    site.invoke("down")
    site.invoke("logbook.verify")
    assert logbook(site)[-1]["command"] == "down"

    kept = site.cluster.get("configmap", "--namespace", site.namespace, "estiba-shop")
    text = kept["data"]["logbook.jsonl"].replace("1.1.0", "1.0.9")
    change = json.dumps({"data": {"logbook.jsonl": text}})
    site.kubectl("patch", "configmap", "estiba-shop", f"--patch={change}")
    code, said = site.fail("logbook.verify")
    assert (code, "on production entry 2 was changed" in said) == (LogbookError.exit_code, True), said
    site.kubectl("patch", "configmap", "estiba-shop", f"--patch={json.dumps({'data': kept['data']})}")

    git(site.folder, "update-ref", "refs/heads/deployments", "refs/heads/deployments~1")
    code, said = site.fail("logbook.verify")
    assert (code, "no entry names record 5 (down, " in said) == (LogbookError.exit_code, True), said


def tag(site: pods.Pods, version: str) -> None:
    """Commit the service as a version, and tag it."""
    site.write(version)
    git(site.folder, "tag", f"v{version}")


def logbook(site: pods.Pods) -> list[dict[str, str]]:
    """Return the entries of the logbook."""
    done = invoke(site.folder, "logbook.list", "--json")
    found: list[dict[str, str]] = json.loads(done.stdout)["entries"]
    return found
