"""Docker Compose itself reads both files."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.services import debian

from estiba import config
from estiba.scaffold import compose, new
from estiba.service import project as projects

if TYPE_CHECKING:
    from pathlib import Path


def read(folder: Path, name: str) -> subprocess.CompletedProcess[str]:
    """Let Docker Compose read a file, and print what it makes of it."""
    (program,) = debian.unpack("docker-compose", suite="trixie").glob("usr/libexec/docker/cli-plugins/docker-compose")
    argv = [str(program), "--file", name, "config", "--format", "json"]
    env = config.load().environment()
    return subprocess.run(argv, cwd=folder, env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", compose.NAMES)
def test_compose_reads_it(tmp_path: Path, name: str) -> None:
    """It accepts every key, and what it understands is what was meant; on a server it asks for a password."""
    folder = new.create(tmp_path / "harbour")
    compose.render(projects.load(folder))
    (folder / ".env").write_text("SECRET_KEY=x\nPOSTGRES_PASSWORD=secret\n")

    done = read(folder, name)

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found["services"]) >= {"nginx", "webapp", "worker", "scheduler", "postgres", "redis"}
    assert "proxy_pass http://webapp:8000;" in found["configs"]["nginx"]["content"]
    (folder / ".env").unlink()
    assert (read(folder, name).returncode == 0) is (name == compose.NAMES[1])
