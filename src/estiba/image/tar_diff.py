"""Differences between two tar archives, entry by entry, with their causes."""

from __future__ import annotations

import hashlib
import re
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
"""Maximum number of files whose contents are compared in detail; of the others only the hashes are."""

_CHUNK: Final = 1 << 20
_EXPLAINED_LINES: Final = 10
_HEX: Final = re.compile(r"[│ ]*[-+]?[0-9a-f]{8}: [0-9a-f]{4}")
_AROUND: Final = re.compile(r"[│ ]*(@@ |--- |\+\+\+ )")
"""Lines of a comparison around those that differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Header of a tar entry, in a form to show, and the hash of its content."""

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
        """Read a member; `data` is its content, or None if it has none."""
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
    """Difference between two tar archives: path, or an empty string for the whole archive, and cause."""

    path: str
    cause: str


def compare(
    first: Callable[[], AbstractContextManager[IO[bytes]]],
    second: Callable[[], AbstractContextManager[IO[bytes]]],
    *,
    runner: Runner = run,
) -> list[TarDifference]:
    """Compare two tar archives that are known to differ; the second is called the rebuild.

    Args:
        first: Opens the first archive as a stream.
        second: Opens the second archive as a stream.
        runner: Runs diffoscope(1), if it is installed.
    """
    expected, rebuilt = _entries(first), _entries(second)
    found = [TarDifference(path=name, cause="only in the rebuild") for name in rebuilt if name not in expected]
    found += [TarDifference(path=name, cause="missing from the rebuild") for name in expected if name not in rebuilt]
    both = [name for name in expected if name in rebuilt]
    found += [
        TarDifference(path=name, cause=cause) for name in both for cause in _differences(expected[name], rebuilt[name])
    ]
    contents = [name for name in both if expected[name].content != rebuilt[name].content]
    found += _explain(first, second, contents, runner)
    return sorted(found, key=lambda item: item.path) or [_whole(list(expected), list(rebuilt))]


def _entries(opener: Callable[[], AbstractContextManager[IO[bytes]]]) -> dict[str, Entry]:
    with opener() as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
        return {member.name: Entry.of(member, _content(archive, member)) for member in archive}


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes] | None:
    """Open the content of a regular file.

    `extractfile` of a link would seek its target, which a stream cannot do; the link's name is compared anyway.
    """
    return archive.extractfile(member) if member.isreg() else None


def _differences(expected: Entry, rebuilt: Entry) -> Iterator[str]:
    """Yield a cause for each field of the header that differs."""
    for field in fields(Entry):
        was, now = getattr(expected, field.name), getattr(rebuilt, field.name)
        if was != now and field.name not in {"content", "size"}:
            yield f"{field.name.replace('_', ' ')} {now!s} instead of {was!s}"


def _whole(expected: list[str], rebuilt: list[str]) -> TarDifference:
    """Return the difference between archives with equal entries: their order, or bytes outside of entries."""
    for was, now in zip_longest(expected, rebuilt):
        if was != now:
            return TarDifference(path=was or now or "", cause=f"entries in another order: {now} is in its place")
    return TarDifference(path="", cause="the same entries in tars of another format or padding")


def _explain(
    first: Callable[[], AbstractContextManager[IO[bytes]]],
    second: Callable[[], AbstractContextManager[IO[bytes]]],
    names: list[str],
    runner: Runner,
) -> Iterator[TarDifference]:
    """Yield the cause for each file whose contents differ, in detail for the first `EXAMINED` files."""
    examined = names[:EXAMINED]
    with tempfile.TemporaryDirectory(prefix="estiba-") as folder:
        expected = _extract(first, examined, Path(folder, "first"))
        rebuilt = _extract(second, examined, Path(folder, "rebuild"))
        for name in examined:
            yield TarDifference(path=name, cause=explain_files(expected[name], rebuilt[name], runner=runner))
    for name in names[EXAMINED:]:
        yield TarDifference(path=name, cause="content differs")


def _extract(
    opener: Callable[[], AbstractContextManager[IO[bytes]]], names: Collection[str], folder: Path
) -> dict[str, Path]:
    """Extract members into numbered files that keep their suffix.

    Their own names could lead out of the folder.
    """
    folder.mkdir()
    written = {}
    with opener() as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
        for number, member in enumerate(archive):
            if member.name in names:
                data = _content(archive, member)
                written[member.name] = folder / f"{number}{Path(member.name).suffix}"
                written[member.name].write_bytes(data.read() if data else b"")
    return written


def explain_files(expected: Path, rebuilt: Path, *, runner: Runner = run) -> str:
    """Return why the contents of two files differ: a sentence for bytecode, else sizes and diffoscope's output."""
    first, second = expected.read_bytes(), rebuilt.read_bytes()
    if expected.suffix == bytecode_diff.SUFFIX:
        return bytecode_diff.explain(first, second)
    summary = "other content" if len(first) == len(second) else f"{len(second)} bytes instead of {len(first)}"
    at = next((at for at, (one, other) in enumerate(zip(first, second, strict=False)) if one != other), None)
    summary += "" if at is None else f", from byte {at} on"
    detail = _diffoscope(expected, rebuilt, runner)
    return f"{summary}\n{detail}" if detail else summary


def _diffoscope(expected: Path, rebuilt: Path, runner: Runner) -> str:
    try:
        lines = runner(["diffoscope", "--text", "-", str(expected), str(rebuilt)], check=False).stdout.splitlines()
    except MissingProgramError:
        return ""
    # Of a format that it does not know it dumps the bytes, which tell nobody anything.
    told = any(not (_HEX.match(line) or _AROUND.match(line)) for line in lines)
    return "\n".join(islice((line for line in lines if not _HEX.match(line)), _EXPLAINED_LINES)) if told else ""
