"""The program behind `invoke dev.up`, where nothing of a service has to run."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

from estiba.errors import BusyError

PROGRAM = Path(__file__).parents[3] / "nix" / "build" / "shell" / "run_develop.py"


def test_a_second_one_is_refused(tmp_path: Path) -> None:
    """Two of one folder would share its port and its servers; the code is that of all that is busy."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "settings.json").write_text("{}")
    program = shutil.copy(PROGRAM, tmp_path / "bin" / "develop")
    folder = tmp_path / "harbour"
    (folder / ".estiba").mkdir(parents=True)
    with (folder / ".estiba" / "develop.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        argv = [sys.executable, str(program), str(folder), "up", "4455"]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)

    assert (done.returncode, "invoke dev.down" in done.stderr) == (BusyError.exit_code, True), done.stderr
