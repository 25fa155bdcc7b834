"""Atomic file replacement, reading without surprises, and file locks."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_PRIVATE: Final = 0o600


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """New content of a file, written to a temporary file in the same folder.

    Attributes:
        path: File to replace.
        temporary: Temporary file with the new content.
    """

    path: Path
    temporary: Path

    def commit(self) -> None:
        """Replace the file (rename(2), so it has the old or the new content at any time)."""
        self.temporary.replace(self.path)

    def discard(self) -> None:
        """Remove the temporary file; does nothing after `commit`."""
        self.temporary.unlink(missing_ok=True)


def stage(path: Path, text: str, *, mode: int = _PRIVATE, owner: tuple[int, int] | None = None) -> Staged:
    """Write new content of a file to a temporary file beside it, and sync it to disk (fsync(2)).

    Args:
        path: File to replace; its folder must exist, the file need not.
        text: New content, written as UTF-8.
        mode: Permission bits.
        owner: User ID and group ID of the new file; only root can set them.

    Raises:
        OSError: The temporary file cannot be written; it is removed.
    """
    # mkstemp(3) creates a file whose name nobody can guess, so no symbolic link can wait there; fchmod(2) and fchown(2)
    # then act on the open file, even if something else has its name by then.
    file, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(file, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fchmod(stream.fileno(), mode)
            if owner:
                os.fchown(stream.fileno(), *owner)
            os.fsync(stream.fileno())
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return Staged(path=path, temporary=temporary)


def write(path: Path, text: str, *, mode: int = _PRIVATE, owner: tuple[int, int] | None = None) -> None:
    """Replace a file atomically; arguments and errors as for `stage`."""
    staged = stage(path, text, mode=mode, owner=owner)
    try:
        staged.commit()
    finally:
        staged.discard()


def read(path: Path) -> str:
    """Read a regular file as UTF-8, with U+FFFD for other bytes.

    A symbolic link is not followed, and the writer of a named pipe not waited for.

    Raises:
        OSError: There is no such file, it cannot be read, or it is not a regular one.
    """
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(file, encoding="utf-8", errors="replace") as stream:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise OSError(errno.EINVAL, "Not a regular file", str(path))
        return stream.read()


def find_repository(folder: Path) -> Path | None:
    """Return the top of the git repository that a folder is in, or None; git is not run.

    Args:
        folder: Folder, whose path is taken as it is written.
    """
    return next((one for one in (folder, *folder.parents) if (one / ".git").exists()), None)


@contextlib.contextmanager
def lock(path: Path, *, wait: bool = False, shared: bool = False) -> Iterator[int]:
    """Lock a file or folder (flock(2)) while the block runs; the kernel releases the lock of a killed process.

    Args:
        path: File, created if it does not exist, or an existing folder.
        wait: Wait while another process holds the lock.
        shared: Take a shared lock instead of an exclusive one.

    Yields:
        File descriptor, open for reading and writing; for reading only if `path` is a folder.

    Raises:
        BlockingIOError: Another process holds the lock, and `wait` is not set.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY if path.is_dir() else os.O_RDWR | os.O_CREAT
    # O_CLOEXEC: a child that has the descriptor would hold the lock beyond this process. O_NOFOLLOW: in a folder that
    # others can write to, a link could make this process create or lock any file of its user.
    file = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, _PRIVATE)
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
        yield file
    finally:
        os.close(file)
