from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from tests.services.harbour import LIBRARY, ROOT, invoke

from estiba import config
from estiba.demo import traffic

if TYPE_CHECKING:
    from collections.abc import Iterator

STEPS = [
    "scaffold",
    "lock",
    "fetch",
    "build",
    "check",
    "cache",
    "deploy",
    "smoke",
    "change",
    "break",
    "rollback",
    "container",
]
MEGABYTE = 1_000_000


def start(folder: Path, engine: str, *options: str) -> subprocess.Popen[str]:
    """Start the demo as the README does, without a terminal."""
    env = config.load().environment(ESTIBA_FLAKE=LIBRARY, PYTHONPATH=str(ROOT / "src"), DOCKER_HOST=engine)
    argv = [sys.executable, "-m", "invoke", "demo", "--json", "--dir", str(folder), *options]
    return subprocess.Popen(argv, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def pids(folder: Path) -> list[int]:
    """Return the ids of the processes that run for the service in a folder."""
    files = (folder / ".estiba/local/services").glob("*/supervise/pid")
    return [int(text) for file in files if (text := file.read_text().strip())]


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A demo that went through: its folder, its summary, and what it said."""

    folder: Path
    summary: dict[str, Any]
    said: str

    def note(self, name: str) -> str:
        """Return what a step says about itself."""
        return str(next(step["note"] for step in self.summary["steps"] if step["name"] == name))


@pytest.fixture(scope="module")
def kept(docker_engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    """Run the demo with an engine, and leave the service running until the end of the tests."""
    folder = tmp_path_factory.mktemp("demo") / "harbour"
    try:
        with start(folder, docker_engine, "--keep") as running:
            output, said = running.communicate()
        assert running.returncode == 0, said
        yield Finished(folder=folder, summary=json.loads(output), said=said)
    finally:
        if (folder / "pyproject.toml").exists():
            invoke(folder, "down")


def test_every_step_succeeds(kept: Finished) -> None:
    """From the template to the rollback, nothing fails and nothing is skipped."""
    steps = [(step["name"], step["ok"], step.get("skipped")) for step in kept.summary["steps"]]

    assert steps == [(name, True, None) for name in STEPS]
    assert kept.summary["ok"]


def test_summary_is_that_of_the_image(kept: Finished) -> None:
    """Digest and size are those of the image that was built, which is small."""
    index = json.loads((kept.folder / ".estiba" / "image" / "index.json").read_text())

    assert kept.summary["digest"] == index["manifests"][0]["digest"]
    assert 10 * MEGABYTE < kept.summary["image"]["size"] < 46 * MEGABYTE


def test_progress_is_lines(kept: Finished) -> None:
    """Without a terminal every step has a line when it starts and one with its time, without control characters."""
    lines = kept.said.splitlines()
    for name in STEPS:
        assert f"{name} ..." in lines
        assert any(line.startswith(f"{name}: done in ") for line in lines)
    assert "\x1b" not in kept.said


def test_nobody_noticed_the_changes(kept: Finished) -> None:
    """The steps that change releases had visitors, and say so."""
    for name in ("change", "break", "rollback"):
        assert kept.note(name).endswith(" requests, none failed")


def test_logbook_has_the_whole_story(kept: Finished) -> None:
    """Two releases, a third that was taken back, and the way back to the first."""
    lines = (kept.folder / ".estiba/local/logbook.jsonl").read_text().splitlines()
    first, changed, broken, back = map(json.loads, lines)

    assert [record["result"] for record in (first, changed, broken, back)] == [
        "deployed",
        "deployed",
        "taken back",
        "rolled back",
    ]
    assert "try_worker failed" in broken["reason"]
    assert back["digest"] == first["digest"] != changed["digest"]


def test_cache_holds_the_image(kept: Finished) -> None:
    """The pushed image is whole and signed."""
    found = json.loads(invoke(kept.folder, "cache.info", ".estiba/cache", "--verify", "--json").stdout)

    image = str((kept.folder / ".estiba/image").readlink())
    assert image in {entry["path"] for entry in found["paths"]}
    assert (found["missing"], found["damaged"]) == ([], {})


def test_kept_service_is_a_service(kept: Finished) -> None:
    """With `--keep` the page is there, and the ordinary commands work in the service's folder."""
    assert "Nothing is written yet.<" in traffic.fetch_page(urlsplit(kept.summary["url"]).port or 0)

    status = json.loads(invoke(kept.folder, "status", "--json").stdout)
    assert status["ready"]
    assert status["urls"]["page"] == kept.summary["url"]


def test_interrupted_demo_leaves_no_process(tmp_path: Path) -> None:
    """Ctrl-C while a release is changed ends everything that was started, and the summary says how far it came."""
    folder = tmp_path / "harbour"
    with start(folder, f"unix://{tmp_path}/none.sock") as running:
        assert running.stderr is not None
        said = [line for line in iter(running.stderr.readline, "change ...\n") if line]
        found = pids(folder)
        running.send_signal(signal.SIGINT)
        output, rest = running.communicate()

    assert running.returncode == 130, "".join(said) + rest
    assert len(found) > 5
    assert [pid for pid in found if Path(f"/proc/{pid}").exists()] == []
    steps = [(step["name"], step["ok"]) for step in json.loads(output)["steps"]]
    assert steps == [*((name, True) for name in STEPS[: STEPS.index("change")]), ("change", False), ("down", True)]
    assert json.loads(output)["ok"] is False
