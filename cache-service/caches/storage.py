"""Files of compressed NARs: written to a folder of drafts, synced, and moved to their place once they are whole."""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from django.conf import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 1 << 20
DRAFTS = "drafts"
NARS = "nar"


class Body(Protocol):
    """The body of a request."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, none at the end."""


class Draft:
    """A file that is being received; it is removed at the end of `receive` unless it was kept.

    Attributes:
        path: Where it is meanwhile.
        size: Its size in bytes.
        digest: Its SHA-256; empty while it is not known.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self.digest = b""

    def read_digest(self) -> bytes:
        """Return the SHA-256 of what is on disk."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()

    def keep(self, place: str) -> None:
        """Move the file to its place, so that it survives a loss of power there."""
        target = locate(place)
        target.parent.mkdir(parents=True, exist_ok=True)
        self.path.rename(target)
        for folder in (target.parent, target.parent.parent):
            sync_folder(folder)


@contextmanager
def receive(body: Body, size: int) -> Iterator[Draft]:
    """Write a body to a draft.

    Args:
        body: Where the bytes come from.
        size: How many there have to be; the draft's size differs if there are fewer.
    """
    draft = Draft(choose_draft())
    try:
        with draft.path.open("xb") as file:
            hasher = hashlib.sha256()
            while draft.size < size and (chunk := body.read(min(_CHUNK, size - draft.size))):
                hasher.update(chunk)
                file.write(chunk)
                draft.size += len(chunk)
            draft.digest = hasher.digest()
            file.flush()
            os.fsync(file.fileno())
        yield draft
    finally:
        draft.path.unlink(missing_ok=True)


class Growing:
    """A draft that comes in parts, maybe from several senders at the same time, and stays until it is whole.

    They all send the same file, so that whatever is there of a part counts for each of them.
    """

    def __init__(self, place: str) -> None:
        self._path = locate(place)
        self._path.parent.mkdir(parents=True, exist_ok=True)

    def append(self, body: Body, offset: int, size: int) -> int:
        """Add a part, as far as it is new and nothing is missing before it; return how much there is then.

        Args:
            body: Where the bytes come from.
            offset: Where in the file they begin.
            size: How many there are.
        """
        with self._path.open("ab") as file:
            while size and (chunk := body.read(min(_CHUNK, size))):
                with self._alone(file) as there:
                    if there < offset:
                        break
                    file.write(chunk[there - offset :])
                    file.flush()
                offset += len(chunk)
                size -= len(chunk)
            os.fsync(file.fileno())
            with self._alone(file) as there:
                return there

    @contextmanager
    def finish(self, size: int) -> Iterator[Draft | None]:
        """Give the draft out if it has its size; nobody adds anything to it meanwhile, or afterwards."""
        with self._path.open("ab") as file, self._alone(file) as there:
            draft = Draft(self._path)
            draft.size = there
            yield draft if there == size else None

    @contextmanager
    def _alone(self, file: BinaryIO) -> Iterator[int]:
        """Lock the draft, and return its size, or -1 if the file was kept or removed."""
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            found = os.fstat(file.fileno())
            with suppress(FileNotFoundError):
                if os.path.samestat(found, self._path.stat()):
                    yield found.st_size
                    return
            yield -1
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)


def choose_draft() -> Path:
    """Return the path of a new draft."""
    folder = Path(settings.NAR_FOLDER, DRAFTS)
    folder.mkdir(parents=True, exist_ok=True)
    return folder / secrets.token_hex(16)


def write_draft(data: bytes) -> Path:
    """Write a draft, and return its path."""
    path = choose_draft()
    with path.open("xb") as file:
        file.write(data)
    return path


def sync(path: Path) -> None:
    """Wait until the contents of a file survive a loss of power."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def choose_place(cache: int, name: str) -> str:
    """Return a new place for a file, relative to the folder of NARs.

    Args:
        cache: Number of the cache.
        name: What the file would be called if it were the only one.
    """
    return f"{NARS}/{cache}/{name[:2]}/{secrets.token_hex(8)}-{name}"


def locate(place: str) -> Path:
    """Return the path of a place."""
    return Path(settings.NAR_FOLDER, place)


def size_of(place: str) -> int:
    """Return the size of a file, -1 where there is none."""
    try:
        return locate(place).stat().st_size
    except FileNotFoundError:
        return -1


def remove(place: str) -> None:
    """Remove a file; one that is not there was removed before."""
    with suppress(FileNotFoundError):
        locate(place).unlink()


def sync_folder(folder: Path) -> None:
    """Wait until the names of the files in a folder survive a loss of power."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
