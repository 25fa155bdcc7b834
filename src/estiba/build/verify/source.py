"""Source of a service to rebuild: a copy of its work tree, or a checkout of the commit that an image names."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from estiba.errors import CommandError, VerificationError
from estiba.process import run

if TYPE_CHECKING:
    from estiba.process import Runner


def find_top(folder: Path, *, runner: Runner = run) -> Path | None:
    """Return the top-level folder of the git work tree that a folder is in, or None."""
    found = runner(["git", "-C", str(folder), "rev-parse", "--show-toplevel"], check=False)
    return Path(found.stdout.strip()).resolve() if found.code == 0 else None


def copy(folder: Path, target: Path, *, runner: Runner = run) -> Path:
    """Copy the git work tree of a service with its uncommitted changes, and return the service's folder in the copy.

    Untracked files are left out, as Nix leaves them out. Without a repository the folder itself is copied.
    """
    folder = folder.resolve()
    top = find_top(folder, runner=runner)
    if top is None:
        shutil.copytree(folder, target, symlinks=True, ignore=shutil.ignore_patterns(".estiba", "__pycache__", ".venv"))
        return target
    _clone(str(top), target, runner)
    known = runner(["git", "-C", str(top), "ls-files", "-z"]).stdout.split("\0")
    for name in filter(None, known):
        _copy_file(top / name, target / name)
    runner(["git", "-C", str(target), "add", "--all"])
    return target / folder.relative_to(top)


def check_out(source: str, revision: str, target: Path, *, runner: Runner = run) -> Path:
    """Clone a repository at a commit and return the clone.

    Args:
        source: Folder or URL of the repository.
        revision: Full hash of the commit.
        target: Folder of the clone.
        runner: Runs git.

    Raises:
        VerificationError: The repository cannot be cloned, or does not have the commit.
    """
    try:
        _clone(source, target, runner)
        runner(["git", "-C", str(target), "checkout", "--quiet", "--detach", revision])
    except CommandError as error:
        message = f"commit {revision} is not to be had from {source}: {error.tail}"
        raise VerificationError(message, hint="run this in a clone of the image's repository") from error
    return target


def _clone(source: str, target: Path, runner: Runner) -> None:
    # Hard links would share files, and their owner, with the original repository.
    runner(["git", "clone", "--quiet", "--no-hardlinks", "--", source, str(target)])


def _copy_file(path: Path, target: Path) -> None:
    """Copy a tracked file from the work tree; delete it from the copy if it is missing there."""
    target.unlink(missing_ok=True)
    if path.is_symlink() or path.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target, follow_symlinks=False)
