"""Compares two tars entry by entry and says what differs and why."""

from __future__ import annotations

import hashlib
import stat
import tarfile
import tempfile
from dataclasses import dataclass, fields
from itertools import islice, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Final

from estiba.errors import MissingProgramError
from estiba.image import bytecode_diff
from estiba.process import run

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from contextlib import AbstractContextManager
    from typing import IO

    from estiba.process import Runner

EXAMINED: Final = 10
"""Of how many files the contents are compared; the rest only by hash."""

_CHUNK: Final = 1 << 20
_EXPLAINED_LINES: Final = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What the header of a tar's entry says, and the hash of its content."""

    type: str
    mode: str
    owner: str
    owner_name: str
    time: float
    link: str
    extended: str
    size: int
    content: str

    @classmethod
    def of(cls, member: tarfile.TarInfo, data: IO[bytes] | None) -> Entry:
        """Read one member."""
        hasher = hashlib.sha256()
        while data and (chunk := data.read(_CHUNK)):
            hasher.update(chunk)
        return cls(
            type=_TYPES.get(member.type, repr(member.type)),
            mode=stat.filemode(member.mode)[1:],
            owner=f"{member.uid}:{member.gid}",
            owner_name=f"{member.uname}:{member.gname}",
            time=member.mtime,
            link=member.linkname,
            extended=repr(sorted(member.pax_headers.items())),
            size=member.size,
            content=hasher.hexdigest(),
        )


_TYPES: Final = {
    tarfile.REGTYPE: "file",
    tarfile.AREGTYPE: "file",
    tarfile.DIRTYPE: "folder",
    tarfile.SYMTYPE: "link",
    tarfile.LNKTYPE: "hard link",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TarDifference:
    """One path in a tar, or an empty string for the tar as a whole, and why it differs."""

    path: str
    cause: str


def compare(
    first: Callable[[], AbstractContextManager[IO[bytes]]],
    second: Callable[[], AbstractContextManager[IO[bytes]]],
    *,
    runner: Runner = run,
) -> list[TarDifference]:
    """Compare two tars that are known to differ; the second is called the rebuild.

    Args:
        first: Opens the first tar.
        second: Opens the second.
        runner: Runs diffoscope, where there is one.
    """
    ours, theirs = _entries(first), _entries(second)
    found = [TarDifference(path=name, cause="only in the rebuild") for name in theirs if name not in ours]
    found += [TarDifference(path=name, cause="missing from the rebuild") for name in ours if name not in theirs]
    both = [name for name in ours if name in theirs]
    found += [
        TarDifference(path=name, cause=cause) for name in both for cause in _differences(ours[name], theirs[name])
    ]
    contents = [name for name in both if ours[name].content != theirs[name].content]
    found += _explain(first, second, contents, runner)
    return sorted(found, key=lambda item: item.path) or [_whole(list(ours), list(theirs))]


def _entries(opener: Callable[[], AbstractContextManager[IO[bytes]]]) -> dict[str, Entry]:
    with opener() as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
        return {member.name: Entry.of(member, _content(archive, member)) for member in archive}


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes] | None:
    """Open a file's content; a link's target cannot be looked up in a stream, and its name is compared anyway."""
    return archive.extractfile(member) if member.isreg() else None


def _differences(ours: Entry, theirs: Entry) -> Iterator[str]:
    """Yield one cause for each field of the header that differs."""
    for field in fields(Entry):
        was, now = getattr(ours, field.name), getattr(theirs, field.name)
        if was != now and field.name not in {"content", "size"}:
            yield f"{field.name.replace('_', ' ')} {now!s} instead of {was!s}"


def _whole(ours: list[str], theirs: list[str]) -> TarDifference:
    """Explain tars with the same entries."""
    for was, now in zip_longest(ours, theirs):
        if was != now:
            return TarDifference(path=was or now or "", cause=f"entries in another order: {now} comes in its place")
    return TarDifference(path="", cause="the same entries in tars of another format or padding")


def _explain(
    first: Callable[[], AbstractContextManager[IO[bytes]]],
    second: Callable[[], AbstractContextManager[IO[bytes]]],
    names: list[str],
    runner: Runner,
) -> Iterator[TarDifference]:
    """Yield why the contents of files differ; of many, only the first are looked into."""
    examined = names[:EXAMINED]
    with tempfile.TemporaryDirectory(prefix="estiba-") as folder:
        ours = _extract(first, examined, Path(folder, "first"))
        theirs = _extract(second, examined, Path(folder, "rebuild"))
        for name in examined:
            yield TarDifference(path=name, cause=explain_files(ours[name], theirs[name], runner=runner))
    for name in names[EXAMINED:]:
        yield TarDifference(path=name, cause="content differs")


def _extract(
    opener: Callable[[], AbstractContextManager[IO[bytes]]], names: Collection[str], folder: Path
) -> dict[str, Path]:
    """Write the contents of some members into numbered files that keep their suffix."""
    folder.mkdir()
    written = {}
    with opener() as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
        for number, member in enumerate(archive):
            if member.name in names:
                data = _content(archive, member)
                written[member.name] = folder / f"{number}{Path(member.name).suffix}"
                written[member.name].write_bytes(data.read() if data else b"")
    return written


def explain_files(ours: Path, theirs: Path, *, runner: Runner = run) -> str:
    """Return why two files with other contents differ: in words for bytecode, else as diffoscope sees it."""
    first, second = ours.read_bytes(), theirs.read_bytes()
    if ours.suffix == bytecode_diff.SUFFIX:
        return bytecode_diff.explain(first, second)
    told = "other content" if len(first) == len(second) else f"{len(second)} bytes instead of {len(first)}"
    detail = _diffoscope(ours, theirs, runner)
    return f"{told}\n{detail}" if detail else told


def _diffoscope(ours: Path, theirs: Path, runner: Runner) -> str:
    try:
        told = runner(["diffoscope", "--text", "-", str(ours), str(theirs)], check=False).stdout
    except MissingProgramError:
        return ""
    return "\n".join(islice(told.splitlines(), _EXPLAINED_LINES))
