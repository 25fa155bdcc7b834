"""Copies of the sample services, to be locked by their own tasks."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from tests.services import harbour

from estiba.lock import model

if TYPE_CHECKING:
    from estiba.lock.model import Lock

SERVICES = Path(__file__).parents[1] / "fixtures" / "services"
LOCK_FILES = ("estiba.lock", "requirements-lock.txt", "requirements-dev-lock.txt")


def copy(name: str, folder: Path) -> Path:
    """Copy a sample service."""
    return shutil.copytree(SERVICES / name, folder, ignore=shutil.ignore_patterns("__pycache__"))


def prepare(folder: Path) -> Path:
    """Give a folder its tasks.py."""
    (folder / "tasks.py").write_text("from estiba.tasks import ns\n")
    return folder


def load(folder: Path) -> Lock:
    """Read a service's lock."""
    return model.parse((folder / "estiba.lock").read_text())


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Return bytes and modification time of the lock files, and of anything left beside them."""
    beside = {path.name for path in folder.iterdir() if path.name.startswith(".estiba")}
    return {
        name: ((folder / name).read_bytes(), (folder / name).stat().st_mtime_ns)
        for name in (*LOCK_FILES, *sorted(beside))
        if (folder / name).is_file()
    }


def require(folder: Path, *lines: str) -> None:
    """Replace a service's requirements; the tests' own stay away, which saves time."""
    path = folder / "pyproject.toml"
    table = path.read_text().split("dependencies = ")
    rest = table[1].partition("]")[2].partition("[dependency-groups]")
    kept = rest[2].partition("[tool.estiba]")
    path.write_text(f"{table[0]}dependencies = {json.dumps(lines)}\n\n[tool.estiba]{kept[2]}")


def refuse(folder: Path, *arguments: str, code: int) -> str:
    """Run a task that must fail with a code and leave the lock files as they were; return what it said."""
    before = snapshot(folder)
    done = harbour.invoke(folder, *arguments, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    assert snapshot(folder) == before
    assert "Traceback" not in done.stderr
    return done.stderr
