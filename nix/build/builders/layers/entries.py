"""The files of a layer: paths with mode and content, written as a tar archive or as a folder, always in one order."""

import os
import tarfile
import zlib
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path
from typing import BinaryIO, NamedTuple

STORE_TIME = 1
"""Modification time of everything in the Nix store, in seconds since 1970."""

MTIME = 2 * 86400 + 315532800
"""Modification time in archives: zip knows no time before 1980, and is told the local one."""

SPAN = 30 * 365 * 86400
"""Seconds after `MTIME` that the times of contents are spread over, all of them past."""

_MOST_LINKS = 40
"""Links that the kernel follows on the way to one file."""


class Entry(NamedTuple):
    """A folder, file or symbolic link; `content` is bytes, a file to read, or None for folders and links."""

    mode: int
    content: bytes | Path | None = None
    target: str | None = None
    uid: int = 0

    def read(self) -> bytes:
        """Return a file's content."""
        if isinstance(self.content, Path):
            with open(self.content, "rb", buffering=0) as stream:  # noqa: PTH123 - half the time, for each of thousands
                return stream.read()
        return self.content or b""


def folder(mode: int = 0o755, uid: int = 0) -> Entry:
    """Make a folder entry."""
    return Entry(mode=mode, uid=uid)


def file(content: bytes | Path, *, executable: bool = False) -> Entry:
    """Make a file entry, readable by all and writable by root alone."""
    return Entry(mode=0o755 if executable else 0o644, content=content)


def link(target: str) -> Entry:
    """Make a symbolic link."""
    return Entry(mode=0o777, target=target)


class Entries:
    """Paths relative to the root, without a leading slash, and what they are; a later `add` of a path replaces it."""

    def __init__(self, items: dict[str, Entry] | None = None) -> None:
        self.items = items or {}
        self.tells_contents = False

    def add(self, path: str, entry: Entry) -> None:
        """Add one path; its parents come by themselves.

        Raises:
            ValueError: It leads out of the root.
        """
        if path.startswith("/") or ".." in path.split("/") or "\0" in path:
            msg = f"{path!r} leads out of the root"
            raise ValueError(msg)
        self.items[path] = entry

    def add_tree(self, top: Path, prefix: str = "") -> None:
        """Add all below a folder, under a prefix such as `opt/venv`."""
        self._add_folder(str(top), f"{prefix}/" if prefix else "")

    def _add_folder(self, top: str, prefix: str) -> None:
        with os.scandir(top) as found:
            for item in sorted(found, key=attrgetter("name")):
                path = f"{prefix}{item.name}"
                self.items[path] = from_path(item)
                if item.is_dir(follow_symlinks=False):
                    self._add_folder(item.path, f"{path}/")

    def resolve(self, path: str) -> str | None:
        """Follow the links on the way to a path; None where they lead to nothing.

        Args:
            path: Relative to the root, or absolute in it.
        """
        todo, followed = path.split("/"), 0
        done: list[str] = []
        while todo:
            part = todo.pop(0)
            if part == "..":
                del done[-1:]
            elif part not in ("", "."):
                entry = self.items.get("/".join([*done, part]))
                if entry is None or entry.target is None:
                    done.append(part)
                    continue
                followed += 1
                if followed > _MOST_LINKS:
                    return None
                done = [] if entry.target.startswith("/") else done
                todo[:0] = entry.target.split("/")
        found = "/".join(done)
        return found if found in self.items else None

    def ordered(self) -> Iterator[tuple[str, Entry]]:
        """Yield every path and its parents, sorted, so that a folder comes before what is in it."""
        complete = dict(self.items)
        for path in self.items:
            parent = path.rpartition("/")[0]
            while parent and parent not in complete:
                complete[parent] = folder()
                parent = parent.rpartition("/")[0]
        # No name has a zero byte, so what is in a folder comes right after it.
        yield from sorted(complete.items(), key=lambda item: item[0].replace("/", "\0"))

    def write_tar(self, stream: BinaryIO) -> None:
        """Write an archive in the PAX format, without names of users and without any time but `MTIME`.

        With `tells_contents`, the time of a file is one that its content has: web servers make an ETag of time and
        size, and would take a file of the next release for the one that a browser has.

        `TarFile.addfile` would copy each header and cut the files into small blocks, which takes twice as long.
        """
        size = 0
        for path, entry in self.ordered():
            content = entry.read()
            time = MTIME + zlib.crc32(content) % SPAN if self.tells_contents and content else MTIME
            header = _header(path, entry, len(content), time).tobuf(tarfile.PAX_FORMAT)
            size += stream.write(b"".join((header, content, _padding(len(content), tarfile.BLOCKSIZE))))
        end = bytes(2 * tarfile.BLOCKSIZE)
        stream.write(end + _padding(size + len(end), tarfile.RECORDSIZE))

    def write_tree(self, top: Path) -> None:
        """Write a folder for programs to run from; owners and special modes are left to the archive.

        Raises:
            ValueError: A file would be written through a link.
        """
        links = {path for path, entry in self.items.items() if entry.target is not None}
        for path, entry in self.ordered():
            if path.rpartition("/")[0] in links:
                msg = f"{path} lies behind a link"
                raise ValueError(msg)
            where = top / path
            if entry.target is not None:
                where.symlink_to(entry.target)
            elif entry.content is None:
                where.mkdir(exist_ok=True)
            else:
                where.write_bytes(entry.read())
                where.chmod(0o555 if entry.mode & 0o100 else 0o444)


def from_path(path: Path | os.DirEntry[str]) -> Entry:
    """Take an entry from a file system, with the modes that the Nix store can hold: executable or not."""
    if path.is_symlink():
        return link(os.readlink(path))  # noqa: PTH115 - Path.readlink normalises the text
    if path.is_dir():
        return folder()
    return file(Path(path), executable=bool(path.stat().st_mode & 0o100))


def _padding(size: int, unit: int) -> bytes:
    """Return the zero bytes that fill the last unit."""
    return bytes(-size % unit)


def _header(path: str, entry: Entry, size: int, time: int) -> tarfile.TarInfo:
    header = tarfile.TarInfo(path)
    header.mtime = time
    header.mode = entry.mode
    header.uid = header.gid = entry.uid
    if entry.target is not None:
        header.type = tarfile.SYMTYPE
        header.linkname = entry.target
    elif entry.content is None:
        header.type = tarfile.DIRTYPE
    else:
        header.size = size
    return header
