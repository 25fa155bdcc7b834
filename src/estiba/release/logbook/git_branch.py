"""Lines of a file on a git branch, read and written without the work tree, the index or HEAD (gitcore-tutorial(7))."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from estiba.errors import LogbookError
from estiba.process import run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from estiba.process import Completed, Runner

FILE: Final = "logbook.jsonl"
"""Name of the file on the branch."""

_NOBODY: Final = "0" * 40
"""Old value that `git update-ref` takes for a ref that must not exist yet."""

_IDENTITY: Final = ("-c", "user.name=Estiba", "-c", "user.email=estiba@localhost")
_VARIABLES: Final = {
    "GIT_TERMINAL_PROMPT": "0",  # no remote may ask for a password in the middle of a release
    "GIT_HTTP_LOW_SPEED_LIMIT": "1000",
    "GIT_HTTP_LOW_SPEED_TIME": "20",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class GitBranch:
    """Branch with the logbook, in a repository and at its remote.

    Attributes:
        folder: Folder in the repository.
        name: Name of the branch.
        remote: Name of the remote.
        environment: Variables of git's process.
        runner: Runs git.
    """

    folder: Path
    name: str
    remote: str
    environment: Mapping[str, str] = field(repr=False)
    runner: Runner = run

    @property
    def local(self) -> str:
        """Ref of the branch."""
        return f"refs/heads/{self.name}"

    def baseline(self) -> str:
        """Return the commit of the remote's branch that was last accepted, or else the one that git knows, or ''."""
        return self.tip(self._accepted) or self.tip(f"refs/remotes/{self.remote}/{self.name}")

    def accept(self, commit: str) -> None:
        """Take a commit as the state of the remote's branch from which it may only grow."""
        self._git("update-ref", self._accepted, commit)

    @property
    def _accepted(self) -> str:
        # A ref of its own, since `git fetch` moves those of remotes to whatever it finds there.
        return f"refs/estiba/{self.remote}/{self.name}"

    def has_remote(self) -> bool:
        """Tell whether the repository has the remote."""
        return self._git("config", "--get", f"remote.{self.remote}.url", check=False).code == 0

    def tip(self, ref: str) -> str:
        """Return the commit of a ref, or an empty string.

        Raises:
            LogbookError: The folder is in no git repository.
        """
        found = self._git("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}", check=False)
        if found.code and found.tail:
            msg = f"the logbook cannot be read in {self.folder}: {found.tail}"
            raise LogbookError(msg, hint="the logbook is on a branch of the service's git repository: git init")
        return found.stdout.strip()

    def read(self, commit: str) -> list[str]:
        """Return the lines of the file in a commit; none for an empty string, or where the file is not there."""
        if not commit or not self._git("ls-tree", "--full-tree", commit, "--", FILE).stdout:
            return []
        text = self._git("cat-file", "blob", f"{commit}:{FILE}").stdout
        return text.removesuffix("\n").split("\n") if text else []

    def commit(self, lines: Sequence[str], parent: str, message: str) -> str:
        """Create a commit with these lines, and return it; other files of the parent stay.

        Args:
            lines: All lines of the file.
            parent: Parent commit, or an empty string.
            message: Message of the commit.
        """
        blob = self._git("hash-object", "-w", "--stdin", stdin="".join(f"{line}\n" for line in lines)).stdout.strip()
        others = self._git("ls-tree", "-z", "--full-tree", parent).stdout.split("\0") if parent else []
        entries = [entry for entry in others if entry and entry.partition("\t")[2] != FILE]
        entries.append(f"100644 blob {blob}\t{FILE}")
        tree = self._git("mktree", "-z", stdin="".join(f"{entry}\0" for entry in entries)).stdout.strip()
        parents = ("-p", parent) if parent else ()
        return self._git("commit-tree", tree, *parents, "-F", "-", stdin=f"{message}\n").stdout.strip()

    def move(self, commit: str, before: str) -> bool:
        """Move the branch to a commit, and return whether it still was where it is expected.

        Args:
            commit: New commit.
            before: Commit of before, or an empty string if there was no branch.

        Raises:
            LogbookError: The branch is checked out, so that its work tree would be left behind.
        """
        trees = self._git("worktree", "list", "--porcelain").stdout.splitlines()
        if f"branch {self.local}" in trees:
            msg = f"the logbook's branch {self.name} is checked out, and would move under the feet of its work tree"
            raise LogbookError(msg, hint="git switch -")
        return self._git("update-ref", self.local, commit, before or _NOBODY, check=False).code == 0

    def fetch(self) -> tuple[str, str]:
        """Fetch the remote's branch; return its commit, empty where there is no such branch, and why that failed."""
        listed = self._git("ls-remote", "--heads", self.remote, self.local, check=False)
        if listed.code:
            return "", listed.tail or "git ls-remote failed"
        if not listed.stdout.strip():
            return "", ""
        # Without FETCH_HEAD, which belongs to the user's own fetches.
        options = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules")
        fetched = self._git("fetch", *options, self.remote, self.local, check=False)
        return listed.stdout.split()[0], (fetched.tail or "git fetch failed") if fetched.code else ""

    def push(self, commit: str) -> str:
        """Push a commit to the remote's branch, never by force, and return why that failed; empty for success."""
        options = ("--quiet", "--no-verify", "--no-follow-tags", "--recurse-submodules=no")
        pushed = self._git("push", *options, self.remote, f"{commit}:{self.local}", check=False)
        if pushed.code:
            return pushed.tail or "git push failed"
        self.accept(commit)
        return ""

    def contains(self, commit: str, other: str) -> bool:
        """Tell whether a commit is, or descends from, another one."""
        return bool(commit) and self._git("merge-base", "--is-ancestor", other, commit, check=False).code == 0

    def rewritten(self, commit: str) -> list[str]:
        """Return the commits up to this one that took lines away from the file, which only ever grows."""
        log = self._git("log", "--first-parent", "--format=commit %H", "--numstat", commit, "--", f":(top){FILE}")
        found, current = [], ""
        for line in log.stdout.splitlines():
            if line.startswith("commit "):
                current = line.removeprefix("commit ")
            elif line and line.split("\t")[1] != "0":
                found.append(current)
        return found

    def _git(self, *arguments: str, stdin: str | None = None, check: bool = True) -> Completed:
        argv = ["git", "-C", str(self.folder), *_IDENTITY, *arguments]
        return self.runner(argv, env={**self.environment, **_VARIABLES}, stdin=stdin, check=check)
