"""The program behind `invoke dev.up`, where nothing of a service has to run."""

from __future__ import annotations

import fcntl
import json
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from estiba.errors import BusyError

PROGRAM = Path(__file__).parents[3] / "nix" / "build" / "shell" / "run_develop.py"


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """Return the program as its derivation has it, with no settings."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "settings.json").write_text("{}")
    return Path(shutil.copy(PROGRAM, tmp_path / "bin" / "develop"))


def test_a_second_one_is_refused(program: Path, tmp_path: Path) -> None:
    """Two of one folder would share its port and its servers; the code is that of all that is busy."""
    folder = tmp_path / "harbour"
    (folder / ".estiba").mkdir(parents=True)
    with (folder / ".estiba" / "develop.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        argv = [sys.executable, str(program), str(folder), "up", "4455"]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)

    assert (done.returncode, "invoke dev.down" in done.stderr) == (BusyError.exit_code, True), done.stderr


def test_messages_are_brought(program: Path, tmp_path: Path) -> None:
    """Compiled ones are written where they differ, and where the service has the folder; without any nothing is."""
    made, folder = tmp_path / "catalogues", tmp_path / "harbour"
    for language in ("de", "en", "es"):
        (made / language / "LC_MESSAGES").mkdir(parents=True)
        (made / language / "LC_MESSAGES" / "django.mo").write_text("new")
    for language in ("de", "es"):
        (folder / language / "LC_MESSAGES").mkdir(parents=True)
    (folder / "es" / "LC_MESSAGES" / "django.mo").write_text("old")
    argv = [sys.executable, str(program), str(folder), "messages"]
    said = []
    for catalogues in (str(made), str(made), None):
        (tmp_path / "settings.json").write_text(json.dumps({"catalogues": catalogues}))
        done = subprocess.run(argv, capture_output=True, text=True, check=True)
        said.append(done.stderr.splitlines())

    names = [f"{language}/LC_MESSAGES/django.mo" for language in ("de", "es")]
    assert said == [[f"wrote {name}" for name in names], [], []]
    assert [(folder / name).read_text() for name in names] == ["new", "new"]
    assert not (folder / "en").exists()


@pytest.mark.parametrize(
    ("name", "counts"),
    [("shop/views.py", True), ("shop/templates/a.html", True), ("htmlcov/a.html", False), (".estiba/a.json", False)],
)
def test_reports_are_not_sources(program: Path, tmp_path: Path, name: str, counts: bool) -> None:  # noqa: FBT001 - a row
    """What the tests write themselves does not make them run again, for ever."""
    file = tmp_path / "harbour" / name
    file.parent.mkdir(parents=True)
    file.touch()
    found = runpy.run_path(str(program))["list_saved"](tmp_path / "harbour")

    assert [path for path, _ in found] == [file] * counts
