"""The service that both sides build: the template's, with the dependencies of an ordinary project."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from estiba.process import run
from estiba.scaffold import new

if TYPE_CHECKING:
    from collections.abc import Sequence

EXTRA: Final = (
    "cryptography",
    "django-filter",
    "django-import-export",
    "djangorestframework",
    "drf-spectacular",
    "lxml",
    "pillow",
    "requests",
    "sentry-sdk",
)
"""With what these need about 40 distributions, four of them with large compiled parts."""

_GIT: Final = ("git", "-c", "user.name=Estiba", "-c", "user.email=estiba@localhost", "-c", "commit.gpgsign=false")
_MARK: Final = "dependencies = ["


class Subject:
    """A service in a folder, under version control."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # Another number in every run, or the store would remember the last run's builds.
        self._changes = time.time_ns()

    def make(self) -> None:
        """Scaffold it, then lock and fetch."""
        new.create(self.folder, flake=new.locate_flake(Path.cwd()))
        pyproject = self.folder / "pyproject.toml"
        lines = "".join(f'\n    "{name}",' for name in EXTRA)
        pyproject.write_text(pyproject.read_text().replace(_MARK, _MARK + lines, 1))
        self.git("init", "--quiet")
        self.commit("Start")
        self.invoke("lock")
        self.commit("Lock")
        self.invoke("fetch")

    def change(self) -> None:
        """Change one line of the application."""
        self._changes += 1
        views = self.folder / self.folder.name / "views.py"
        kept = [line for line in views.read_text().splitlines() if not line.startswith("CHANGE = ")]
        views.write_text("\n".join([*kept, f"CHANGE = {self._changes}"]) + "\n")

    def commit(self, message: str) -> None:
        """Commit everything."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)

    def git(self, *words: str) -> None:
        """Run git in the service's folder."""
        run([*_GIT, *words], cwd=self.folder)

    def invoke(self, *words: str) -> str:
        """Run a task and return its standard output."""
        return run(["invoke", *words], cwd=self.folder).stdout


def files(folder: Path, names: Sequence[str]) -> int:
    """Return the bytes of some files of a folder."""
    return sum((folder / name).stat().st_size for name in names)
