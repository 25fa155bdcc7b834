from __future__ import annotations

import fcntl
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from estiba.errors import BusyError, TargetError

NIX = Path(__file__).parents[3] / "nix" / "build"


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """Return the program as its derivation has it, with the folders of a PostgreSQL 17 that has no programs."""
    (tmp_path / "tree/usr/lib/postgresql/17/bin").mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    settings = {"modules": str(NIX / "builders"), "tree": str(tmp_path / "tree")}
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    return Path(shutil.copy(NIX / "shell" / "run_services.py", tmp_path / "bin" / "services"))


def refusal(program: Path, folder: Path) -> tuple[int, str]:
    """Run the program, which ends; return its exit code and what it says."""
    done = subprocess.run([sys.executable, str(program), str(folder)], capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


def test_a_second_one_is_refused(program: Path, tmp_path: Path) -> None:
    """Two servers of one folder would take the sockets from each other."""
    folder = tmp_path / "state"
    folder.mkdir()
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        assert refusal(program, folder) == (BusyError.exit_code, f"services: they run already, from {folder}\n")


def test_data_of_another_postgresql_are_left_alone(program: Path, tmp_path: Path) -> None:
    """A lock for another Python brings another PostgreSQL; nothing is deleted for it."""
    data = tmp_path / "state" / "postgresql"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("15\n")
    (tmp_path / "state" / "made").touch()
    code, said = refusal(program, tmp_path / "state")

    assert code == TargetError.exit_code
    assert said.partition("\n")[0] == f"services: {data} is of PostgreSQL 15, and the lock has 17"
    assert f"rm -r {tmp_path / 'state'}" in said
    assert (data / "PG_VERSION").is_file()


def test_a_path_that_no_socket_can_have(program: Path, tmp_path: Path) -> None:
    """The kernel's limit is told before anything is made that nobody could reach."""
    folder = tmp_path / ("x" * 100)
    code, said = refusal(program, folder)

    assert (code, "more than 107 bytes" in said, "shorter path" in said) == (TargetError.exit_code, True, True)
    assert not (folder / "postgresql").exists()
