from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from estiba import config

ROOT = Path(__file__).parents[2]
WRITING = """
def test_writing(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").touch()
    (tmp_path / "folder").chmod(0o500)
    assert {outcome}
"""
SKIPPING = "import pytest\n\ndef test_engine():\n    pytest.skip('no engine here')\n"


@pytest.mark.parametrize(("require", "code"), [("", 0), ("1", 1)], ids=["laptop", "ci"])
def test_skips_are_failures_where_nothing_may_be_missing(tmp_path: Path, require: str, code: int) -> None:
    """With ESTIBA_REQUIRE=1 a skipped test fails and keeps its reason."""
    (tmp_path / "test_skipping.py").write_text(SKIPPING)
    argv = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider", "-rs", str(tmp_path)]
    env = config.load().environment(ESTIBA_REQUIRE=require)

    done = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, check=False)

    assert done.returncode == code, done.stdout
    assert "no engine here" in done.stdout


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(("outcome", "kept"), [("True", 0), ("False", 1)], ids=["passed", "failed"])
def test_temporary_files_stay_as_evidence_only(tmp_path: Path, outcome: str, kept: int, workers: int) -> None:
    """A run that passes leaves nothing, read-only folders and the folder of all runs included."""
    (tmp_path / "tmp").mkdir()
    (tmp_path / "test_writing.py").write_text(WRITING.format(outcome=outcome))
    argv = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider", str(tmp_path)]
    argv += [f"--numprocesses={workers}"]
    env = config.load().environment(TMPDIR=str(tmp_path / "tmp"))

    subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, check=False)

    assert len(list((tmp_path / "tmp").iterdir())) == kept
