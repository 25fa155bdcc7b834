"""A disk that is soon full: a file system in memory, in a mount namespace that goes with the test."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

_PIECE: Final = 2**20
_MOUNT: Final = 'mount -t tmpfs -o size="$1" tmpfs "$2" && echo mounted && exec cat'


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """A disk that only some processes see.

    Attributes:
        process: One of them.
        place: Where they see it.
    """

    process: int
    place: Path

    @property
    def path(self) -> Path:
        """Where everybody else does."""
        return Path(f"/proc/{self.process}/root{self.place}")

    @property
    def space(self) -> int:
        """How many bytes are left."""
        return shutil.disk_usage(self.path).free

    def inside(self, folder: Path) -> list[str]:
        """Return the words before a command that make it see the disk, and start in a folder."""
        return ["nsenter", f"--mount=/proc/{self.process}/ns/mnt", "--", "env", "-C", str(folder)]

    @contextmanager
    def filled(self, left: int) -> Iterator[None]:
        """Leave so many bytes at most for the time of the block."""
        file = self.path / "filling"
        fill(file, left)
        try:
            yield
        finally:
            file.unlink()

    def resize(self, size: int) -> None:
        """Give the disk so many bytes."""
        argv = [*self.inside(self.place), "mount", "-o", f"remount,size={size}", str(self.place)]
        subprocess.run(argv, check=True)


def fill(file: Path, left: int = 0) -> None:
    """Write to a file until its disk has no more than so many bytes left."""
    with file.open("ab", buffering=0) as stream:
        while (more := min(shutil.disk_usage(file).free - left, _PIECE)) > 0:
            stream.write(bytes(more))


@contextmanager
def mounted(place: Path, size: int) -> Iterator[Disk]:
    """Mount a disk of so many bytes on a folder, for processes that are started inside."""
    place.mkdir(parents=True)
    argv = ["unshare", "--mount", "--", "sh", "-c", _MOUNT, "sh", str(size), str(place)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        if not holder.stdout.readline():
            pytest.skip("a disk of its own needs a superuser who may mount: run the tests as root")
        yield Disk(process=holder.pid, place=place)
        holder.stdin.close()
