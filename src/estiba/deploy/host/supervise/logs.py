"""Logs of a target's processes, written by svlogd and merged in the order of their timestamps."""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import IO, TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_PAUSE: Final = 0.2
_FRAME: Final = re.compile(r'  File "([^"]*)", line \d+')
_OWN: Final = "/app/"
_BELOW: Final = "    "
"""What the source lines below a frame begin with."""


@dataclass(slots=True, kw_only=True)
class _Follower:
    """Reader of the lines that are appended to a log, across rotations by svlogd(8)."""

    path: Path
    _file: IO[str] | None = field(default=None)
    _begun: str = ""

    def skip(self) -> None:
        """Skip the lines that exist."""
        self._file = self._open()
        if self._file:
            self._file.seek(0, 2)

    def read(self) -> list[str]:
        """Return the complete lines that were appended since the last call."""
        following = self._open()
        # After the new file is open: if that is another one, nothing is appended to the old one any more.
        lines = self._rest()
        if following is None:
            return lines
        if self._file and os.path.sameopenfile(self._file.fileno(), following.fileno()):
            following.close()
            return lines
        self.close()
        self._file = following
        return lines + self._rest()

    def close(self) -> None:
        if self._file:
            self._file.close()

    def _open(self) -> IO[str] | None:
        try:
            return _open(self.path)
        except OSError:
            return None

    def _rest(self) -> list[str]:
        *lines, self._begun = (self._begun + (self._file.read() if self._file else "")).split("\n")
        return lines


def tail(logs: Path, services: Sequence[str], count: int) -> list[str]:
    """Return the last lines of some services, each prefixed with time and service.

    Args:
        logs: Folder with one folder per service.
        services: Names of the services.
        count: Number of lines.
    """
    found = [(line, service) for service in services for line in _last_of(logs / service, count)]
    return [_render(line, service) for line, service in sorted(found, key=_moment)[-count:]]


def cut_tracebacks(lines: Sequence[str]) -> list[str]:
    """Return rendered lines without the frames of packages, whose code nobody is going to change, in tracebacks.

    Args:
        lines: As `tail` returns them.
    """
    kept, is_foreign = [], False
    for line in lines:
        text = line.partition(": ")[2]
        if found := _FRAME.match(text):
            is_foreign = not found[1].startswith(_OWN)
        elif not text.startswith(_BELOW):
            is_foreign = False
        if not is_foreign:
            kept.append(line)
    return kept


def since(folder: Path, stamp: str) -> Iterator[str]:
    """Yield the lines of one log since a timestamp as svlogd writes it, without their timestamps, oldest first."""
    for path in [*sorted(folder.glob("@*")), folder / "current"]:
        with suppress(OSError), _open(path) as file:
            for line in file:
                when, _, text = line.rstrip("\n").partition(" ")
                if when >= stamp:
                    yield text


def first(folder: Path) -> str:
    """Return the timestamp of the oldest line of a log, or an empty string if it has none."""
    for path in [*sorted(folder.glob("@*")), folder / "current"]:
        with suppress(OSError), _open(path) as file:
            if line := file.readline():
                return line.partition(" ")[0]
    return ""


def follow(logs: Path, services: Sequence[str]) -> Iterator[str]:
    """Yield new lines of some services until the caller stops iterating."""
    followers = {service: _Follower(path=logs / service / "current") for service in services}
    for follower in followers.values():
        follower.skip()
    try:
        while True:
            found = [(line, service) for service, follower in followers.items() for line in follower.read()]
            yield from (_render(line, service) for line, service in sorted(found, key=_moment))
            time.sleep(_PAUSE)
    finally:
        for follower in followers.values():
            follower.close()


def stamp() -> str:
    """Return a timestamp that sorts before the lines of a process that is started now."""
    return (datetime.now(tz=UTC) - timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%S")


def _last_of(folder: Path, count: int) -> list[str]:
    """Return the last lines of a log, including those of rotated files where the current one is short."""
    lines: list[str] = []
    for path in [folder / "current", *sorted(folder.glob("@*"), reverse=True)]:
        if len(lines) >= count:
            break
        # svlogd may have rotated or removed it since the folder was listed.
        with suppress(OSError), _open(path) as file:
            lines = file.read().splitlines()[-count:] + lines
    return lines[-count:]


def _open(path: Path) -> IO[str]:
    """Open a log; a link or a pipe, which the loggers' user could put in its place, is refused or not waited for."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    return os.fdopen(file, encoding="utf-8", errors="replace")


def _moment(found: tuple[str, str]) -> str:
    """Return the timestamp of a line as sort key; the stable sort keeps lines of one moment, as of a traceback."""
    return found[0].partition(" ")[0]


def _render(line: str, service: str) -> str:
    stamp, _, text = line.partition(" ")
    return f"{stamp.replace('_', 'T')[:23]}Z {service}: {text}"
