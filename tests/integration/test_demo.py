from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from tests.services.harbour import FLAKE, ROOT

from estiba import config

if TYPE_CHECKING:
    from pathlib import Path

STEPS = ["scaffold", "lock", "fetch", "build", "check", "verify", "load", "serve"]
MEGABYTE = 1_000_000


def demo(folder: Path, engine: str) -> tuple[dict[str, Any], str]:
    """Run the demo as the README does, without a terminal; return its summary and what it said."""
    source = {"ESTIBA_FLAKE": FLAKE, "PYTHONPATH": str(ROOT / "src"), "DOCKER_HOST": engine}
    argv = [sys.executable, "-m", "invoke", "demo", "--json", "--dir", str(folder)]
    done = subprocess.run(argv, cwd=ROOT, env=config.environment(**source), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


@pytest.fixture(scope="module")
def finished(docker_engine: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str, Path]:
    """Run the demo once with an engine; return summary, talk and the service's folder."""
    folder = tmp_path_factory.mktemp("demo") / "harbour"
    return *demo(folder, docker_engine), folder


def test_every_step_succeeds(finished: tuple[dict[str, Any], str, Path]) -> None:
    """From the template to an answered request, nothing fails and nothing is skipped."""
    summary, _, _ = finished

    assert [(step["name"], step["ok"], step.get("skipped")) for step in summary["steps"]] == [
        (name, True, None) for name in STEPS
    ]
    assert summary["ok"]
    assert summary["url"].endswith("/livez")


def test_summary_is_that_of_the_image(finished: tuple[dict[str, Any], str, Path]) -> None:
    """Digest and size are those of the image that was built, which is small."""
    summary, _, folder = finished

    index = json.loads((folder / ".estiba" / "image" / "index.json").read_text())
    assert summary["digest"] == index["manifests"][0]["digest"]
    assert 10 * MEGABYTE < summary["image"]["size"] < 60 * MEGABYTE


def test_progress_is_lines(finished: tuple[dict[str, Any], str, Path]) -> None:
    """Without a terminal every step has a line when it starts and one with its time, without control characters."""
    _, said, _ = finished

    lines = said.splitlines()
    for name in STEPS:
        assert f"{name} ..." in lines
        assert any(line.startswith(f"{name}: done in ") for line in lines)
    assert "\x1b" not in said


def test_without_engine_the_rest_is_done(tmp_path: Path) -> None:
    """Where no engine runs, loading and serving are skipped with the reason, and the demo succeeds."""
    summary, _ = demo(tmp_path / "harbour", f"unix://{tmp_path}/none.sock")

    assert summary["ok"]
    assert [step["name"] for step in summary["steps"] if "no Docker engine answers" in step.get("skipped", "")] == [
        "load",
        "serve",
    ]
    assert summary["url"] == ""
