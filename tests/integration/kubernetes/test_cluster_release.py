"""A tagged commit of the sample service, released to a real cluster along a plan."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.services import pods
from tests.services.harbour import invoke
from tests.services.shop import git

from estiba.errors import RolledBackError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.cluster import Cluster

RELEASE = """
[tool.estiba.release]
targets = ["production"]
required = ["SHOP_SECRET_KEY", "DATABASE_URL"]
"""
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
        path.write_text(f"{path.read_text()}\n\ndef index(request):\n    raise RuntimeError\n")
        tag(site, "1.1.0")
        code, said = site.fail("release", "--skip=tests", "--reason=to see it fail")
        assert code == RolledBackError.exit_code, said
        assert site.status()["release"]["version"] == "1.0.0"

        records = [line for line in logbook(site) if line["command"] == "deploy"]
        assert [(line["version"], line["result"]) for line in records] == [
            ("1.0.0", "deployed"),
            ("1.1.0", "rolled back"),
        ]


def tag(site: pods.Pods, version: str) -> None:
    """Commit the service as a version, and tag it."""
    site.write(version)
    git(site.folder, "tag", f"v{version}")


def logbook(site: pods.Pods) -> list[dict[str, str]]:
    """Return the entries of the logbook."""
    done = invoke(site.folder, "logbook.list", "--json")
    found: list[dict[str, str]] = json.loads(done.stdout)["entries"]
    return found
