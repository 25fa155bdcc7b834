"""Approvals in git, under a ref of their own, so that they travel with the repository and touch no branch."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from estiba.errors import ApprovalError, CommandError
from estiba.release.approval import record
from estiba.release.approval.record import Approval, Damaged

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from estiba.digest import Digest
    from estiba.process import Runner

REF: Final = "refs/estiba/approvals"
"""Ref of a commit whose tree has one file for each approval; files are only ever added."""

_REMOTE: Final = "origin"
_FETCHED: Final = "refs/estiba/fetched/approvals"
_TRIES: Final = 10
_NONE: Final = "0" * 40
_BLOB: Final = "100644 blob"

_log = logging.getLogger(__name__)


def load(folder: Path, plan: Digest | None, runner: Runner) -> tuple[Approval | Damaged, ...]:
    """Return the approvals of a plan, oldest first, with those that the remote has.

    Args:
        folder: Folder in a git repository.
        plan: Digest of the plan; None, or one that has no approval, for all approvals that there are.
        runner: Runs git.
    """
    git = _Git(folder, runner)
    if git.has_remote():
        try:
            git.merge(git.fetch(), "estiba")
        except CommandError as error:
            _log.warning("approvals at %s cannot be fetched, only those here are looked at: %s", _REMOTE, error.tail)
    entries = git.read_tree(REF)
    of_plan = {name: blob for name, blob in entries.items() if plan and name.startswith(plan.hex)}
    found = [record.parse(name, git.read(blob)) for name, blob in (of_plan or entries).items()]
    return tuple(sorted(found, key=lambda one: one.at.timestamp() if isinstance(one, Approval) else 0))


def store(folder: Path, approval: Approval, runner: Runner) -> bool:
    """Add an approval, and push it if there is a remote; return whether it was pushed.

    Raises:
        ApprovalError: It cannot be pushed; it is kept here, and goes out with the next one.
    """
    git = _Git(folder, runner)
    git.add({approval.name: git.write(approval.render())}, approval.principal, f"Approve {approval.target}")
    if not git.has_remote():
        return False
    problem = ""
    for _ in range(_TRIES):
        try:
            git.merge(git.fetch(), approval.principal)
            git.push()
        except CommandError as error:
            # Somebody else may have pushed in between; then the next try has theirs.
            problem = error.tail
        else:
            return True
    msg = f"the approval is kept here, and cannot be pushed to {_REMOTE}\n{problem}"
    raise ApprovalError(msg, hint=f"git push {_REMOTE} {REF}")


class _Git:
    """Commands of git that leave the work tree, the index and HEAD alone."""

    def __init__(self, folder: Path, runner: Runner) -> None:
        self._folder = folder
        self._runner = runner

    def has_remote(self) -> bool:
        return _REMOTE in self._run("remote").split()

    def fetch(self) -> str:
        """Fetch the remote's approvals; return their commit, or an empty string if it has none."""
        if not self._run("ls-remote", _REMOTE, REF):
            return ""
        self._run("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", _REMOTE, f"+{REF}:{_FETCHED}")
        return self._resolve(_FETCHED)

    def push(self) -> None:
        self._run("push", "--quiet", "--no-verify", _REMOTE, f"{REF}:{REF}")

    def merge(self, other: str, author: str) -> None:
        """Add what another commit has; files never change, so that there is nothing to decide."""
        own = self._resolve(REF)
        if not other or other == own or (own and self._is_ancestor(other, own)):
            return
        if not own or self._is_ancestor(own, other):
            self._run("update-ref", REF, other, own or _NONE)
            return
        self.add(self.read_tree(other), author, "Merge approvals", parents=(other,))

    def add(self, entries: Mapping[str, str], author: str, message: str, parents: tuple[str, ...] = ()) -> None:
        """Commit blobs under names, after another process that does the same."""
        problem = ""
        for _ in range(_TRIES):
            own = self._resolve(REF)
            merged = {**(self.read_tree(own) if own else {}), **entries}
            lines = "".join(f"{_BLOB} {blob}\t{name}\0" for name, blob in sorted(merged.items()))
            tree = self._run("mktree", "-z", stdin=lines)
            options = [word for parent in (own, *parents) if parent for word in ("-p", parent)]
            identity = ["-c", f"user.name={author}", "-c", f"user.email={author}"]
            commit = self._run(*identity, "commit-tree", tree, *options, stdin=f"{message}\n")
            moved = self._runner(self._argv("update-ref", REF, commit, own or _NONE), check=False)
            if moved.code == 0:
                return
            problem = moved.tail
        msg = f"{REF} cannot be written: {problem}"
        raise ApprovalError(msg, hint=f"git update-ref {REF}")

    def read_tree(self, revision: str) -> dict[str, str]:
        """Return the blobs of a commit by file name; empty if there is no such commit."""
        if not self._resolve(revision):
            return {}
        found = {}
        for line in self._run("ls-tree", "-z", revision).split("\0"):
            mode, _, name = line.partition("\t")
            if mode.startswith(_BLOB):
                found[name] = mode.removeprefix(_BLOB).strip()
        return found

    def read(self, blob: str) -> str:
        return self._run("cat-file", "blob", blob)

    def write(self, text: str) -> str:
        return self._run("hash-object", "-w", "--stdin", stdin=text)

    def _resolve(self, revision: str) -> str:
        done = self._runner(self._argv("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}"), check=False)
        return done.stdout.strip() if done.code == 0 else ""

    def _is_ancestor(self, one: str, other: str) -> bool:
        return self._runner(self._argv("merge-base", "--is-ancestor", one, other), check=False).code == 0

    def _run(self, *arguments: str, stdin: str | None = None) -> str:
        return self._runner(self._argv(*arguments), stdin=stdin).stdout.strip()

    def _argv(self, *arguments: str) -> list[str]:
        return ["git", "-C", str(self._folder), *arguments]
