"""Git repository of the demo's service, and the edits of its sources."""

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
    """Git repository in a service's folder; works without any git configuration of the user."""

    folder: Path
    runner: Runner = run

    def start(self, message: str) -> None:
        """Initialise the repository and commit all files."""
        self._git("init", "--quiet")
        self.commit(message)

    def commit(self, message: str) -> None:
        """Commit all files."""
        self._git("add", "--all")
        self._git("commit", "--quiet", "--message", message)

    def revert(self) -> None:
        """Revert the last commit."""
        self._git("revert", "--no-edit", "HEAD")

    def edit(self, pattern: str, old: str, new: str) -> None:
        """Replace a text in the first matching file that has it.

        Args:
            pattern: Glob pattern, relative to the repository.
            old: Text to replace.
            new: Replacement.

        Raises:
            ScaffoldError: No matching file has the text.
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
