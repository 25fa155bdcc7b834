"""Files that change as a whole, and locks on files."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_PRIVATE: Final = 0o600


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """The new content of a file, written beside it.

    Attributes:
        path: The file.
        made: The new one.
    """

    path: Path
    made: Path

    def commit(self) -> None:
        """Put it in place of the one before."""
        self.made.replace(self.path)

    def discard(self) -> None:
        """Forget it; nothing happens after `commit`."""
        self.made.unlink(missing_ok=True)


def stage(path: Path, text: str, *, mode: int = _PRIVATE, owner: tuple[int, int] | None = None) -> Staged:
    """Write the new content of a file beside it, on the disk before this returns.

    Args:
        path: The file; it need not exist, its folder has to.
        text: The content.
        mode: Permissions.
        owner: User and group ID to give it to, for a process of root.

    Raises:
        OSError: It cannot be written; nothing is left.
    """
    # The name cannot be guessed and the file is a new one, so nobody can have put a link in its place; and from here on
    # it is the open file that is changed, not whatever has its name by then.
    file, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    made = Path(name)
    try:
        with os.fdopen(file, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fchmod(stream.fileno(), mode)
            if owner:
                os.fchown(stream.fileno(), *owner)
            os.fsync(stream.fileno())
    except BaseException:
        made.unlink(missing_ok=True)
        raise
    return Staged(path=path, made=made)


def write(path: Path, text: str, *, mode: int = _PRIVATE, owner: tuple[int, int] | None = None) -> None:
    """Write a file that is the old or the new one at any time; arguments and errors as for `stage`."""
    staged = stage(path, text, mode=mode, owner=owner)
    try:
        staged.commit()
    finally:
        staged.discard()


@contextlib.contextmanager
def lock(path: Path, *, wait: bool = False, shared: bool = False) -> Iterator[int]:
    """Hold the lock of a file or folder (flock(2)) for as long as the block runs, or this process lives.

    Args:
        path: The file, made where it does not exist, or a folder that does.
        wait: Wait for whoever holds it.
        shared: Let others hold it shared, too.

    Yields:
        The file's descriptor, to read and write unless it is a folder.

    Raises:
        BlockingIOError: Another process holds it, and `wait` is not set.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY if path.is_dir() else os.O_RDWR | os.O_CREAT
    file = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, _PRIVATE)
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
        yield file
    finally:
        os.close(file)
