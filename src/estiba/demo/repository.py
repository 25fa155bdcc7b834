"""The demo service's sources under version control, and the lines that are changed in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from estiba.errors import ScaffoldError
from estiba.process import run

if TYPE_CHECKING:
    from pathlib import Path

    from estiba.process import Runner

_AUTHOR: Final = ("-c", "user.name=Estiba", "-c", "user.email=estiba@localhost", "-c", "commit.gpgsign=false")


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """The git repository in a service's folder; it needs no git settings of the user's."""

    folder: Path
    runner: Runner = run

    def start(self, message: str) -> None:
        """Make it and commit everything."""
        self._git("init", "--quiet")
        self.commit(message)

    def commit(self, message: str) -> None:
        """Commit everything."""
        self._git("add", "--all")
        self._git("commit", "--quiet", "--message", message)

    def revert(self) -> None:
        """Undo the last commit with another one."""
        self._git("revert", "--no-edit", "HEAD")

    def edit(self, pattern: str, old: str, new: str) -> None:
        """Replace a text in the file that a pattern finds.

        Raises:
            ScaffoldError: It is not there.
        """
        for file in self.folder.glob(pattern):
            text = file.read_text(encoding="utf-8")
            if old in text:
                file.write_text(text.replace(old, new), encoding="utf-8")
                return
        msg = f"no {pattern} of the template holds {old!r}"
        raise ScaffoldError(msg, hint="the demo and the template are not of the same Estiba")

    def _git(self, *arguments: str) -> None:
        self.runner(["git", *_AUTHOR, *arguments], cwd=self.folder)
