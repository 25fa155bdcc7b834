"""A release of the template's service to this machine: real git, gates, build and processes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from tests.services import releases, sites
from tests.services.harbour import invoke
from tests.services.sites import MARK

from estiba import config

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.services.sites import Site

BROKEN = "def index(request): raise RuntimeError('no page')\n"


@dataclass(frozen=True, kw_only=True)
class Shop:
    """Service with releases on this machine."""

    site: Site

    @property
    def folder(self) -> Path:
        """Folder of the service."""
        return self.site.folder

    def run(self, *arguments: str) -> tuple[int, dict[str, Any], str]:
        """Run a task and return its exit code, its JSON, and what it said."""
        done = self.site.invoke(*arguments, "--json", check=False)
        assert done.stdout or done.returncode, done.stderr
        return done.returncode, json.loads(done.stdout or "{}"), done.stderr

    def commit(self, version: str, subject: str) -> None:
        """Commit and tag a version."""
        pyproject = self.folder / "pyproject.toml"
        lines = pyproject.read_text().splitlines(keepends=True)
        changed = [f'version = "{version}"\n' if line.startswith("version = ") else line for line in lines]
        pyproject.write_text("".join(changed))
        releases.git(self.folder, "add", "--all")
        releases.git(self.folder, "commit", "--quiet", "--message", subject)
        releases.git(self.folder, "tag", f"v{version}")


@pytest.fixture(scope="module")
def shop(harbour: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Return the service with one tagged commit, released nowhere yet; take it down in the end."""
    site = sites.copy(harbour, tmp_path_factory.mktemp("release"))
    service = Shop(site=site)
    with (site.folder / "pyproject.toml").open("a") as file:
        file.write('\n[tool.estiba.release]\ntargets = ["local"]\n')
    releases.git(site.folder, "init", "--quiet", "--initial-branch=main")
    service.commit("1.0.0", "feat: Open the harbour")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(config.ENV_STATE, str(tmp_path_factory.mktemp("journals")))
        yield service
        invoke(site.folder, "down", check=False)


def test_release_from_tag_to_history(shop: Shop) -> None:
    """The plan says what would change, the release does it, and then nothing is left to do."""
    code, planned, said = shop.run("release.plan", "--out", "plan.json")
    assert (code, planned.get("version"), planned.get("pending")) == (2, "1.0.0", True), said
    (target,) = planned["targets"]
    assert target["changes"]["migrations"]

    code, released, said = shop.run("release", "--plan", "plan.json")
    assert (code, released.get("result"), released.get("id")) == (0, "done", planned["id"]), said
    assert MARK in shop.site.text()
    steps = {one["step"]: one for one in released["steps"]}
    assert list(steps) == [
        "build",
        "gates",
        "push",
        "gates:local",
        "approval:local",
        "deploy:local",
        "smoke:local",
        "tag",
    ]
    assert steps["gates"]["output"]["gates"]["tests"]["totals"]["failures"] == 0

    code, planned, said = shop.run("release.plan")
    assert (code, planned.get("pending")) == (0, False), said
    assert shop.run("release")[0] == 0
    code, history, _ = shop.run("release.history")
    assert [one["result"] for one in history["releases"]] == ["done", "done"]
    code, shown, said = shop.run("release.show", history["releases"][-1]["id"])
    assert code == 0, said
    assert shown["plan"] == released["plan"]
    logbook = releases.git(shop.folder, "show", "deployments:logbook.jsonl").splitlines()
    assert [json.loads(line)["result"] for line in logbook] == ["deployed", "unchanged"]


def test_refused_release_changes_nothing(shop: Shop) -> None:
    """The service's own tests find a broken page, which is what gates are for; without them the target refuses it."""
    views = shop.folder / "harbour" / "views.py"
    works = views.read_text()
    views.write_text(works + BROKEN)
    shop.commit("1.1.0", "feat: Break the page")
    code, _, said = shop.run("release")
    assert code == 4, said
    assert "gates: gate tests: " in said

    code, _, said = shop.run("release", "--skip", "tests", "--reason", "only a drill")
    assert code == 18, said
    assert "deploy to local: the release does not work: / answers 500" in said
    assert "evidence: " in said
    assert MARK in shop.site.text()
    code, state, _ = shop.run("release.status")
    assert (code, state["release"]["result"], state["release"]["version"]) == (1, "failed", "1.1.0")
    views.write_text(works)


def test_broken_release_is_taken_back_and_aborted(shop: Shop) -> None:
    """What fails once it is served has exit code 5; resuming fails again, aborting says what is served."""
    jobs = shop.folder / "harbour" / "jobs.py"
    works = jobs.read_text()
    jobs.write_text(f"{works}\nEntry = None\n")
    shop.commit("1.1.1", "feat: Break the jobs")
    code, _, said = shop.run("release", "--skip", "tests", "--reason", "only a drill")
    assert code == 5, said
    assert MARK in shop.site.text()

    assert shop.run("release.resume")[0] == 5
    code, aborted, said = shop.run("release.abort", "--reason", "only a drill")
    assert code == 0, said
    assert aborted["left"]["local"].startswith("serves 1.0.0")
    code, _, said = shop.run("release.resume")
    assert (code, "no release is unfinished" in said) == (23, True)
    code, history, _ = shop.run("release.history")
    assert [one["result"] for one in history["releases"]] == [
        "aborted",
        "superseded",
        "superseded",
        "done",
        "done",
    ]
    jobs.write_text(works)


def test_mended_release_is_made(shop: Shop) -> None:
    """The next version has the mended sources, and its changelog starts at the tag before."""
    shop.site.write("Better.")
    code, _, said = shop.run("release.plan")
    assert (code, "uncommitted changes would not be released" in said) == (23, True)
    shop.commit("1.1.2", "fix: Say better")

    code, planned, said = shop.run("release.plan")
    assert (code, planned["previous"], planned["changelog"]) == (2, "v1.1.1", ["fix: Say better"]), said
    code, _, said = shop.run("release")
    assert code == 0, said
    assert "Better." in shop.site.text()
    code, verdict, said = shop.run("release.watch", "--minutes", "0")
    assert verdict["observation"]["failures"] == 0, said
