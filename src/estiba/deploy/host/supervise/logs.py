"""The log lines of all processes of a target, in the order of time."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import IO, TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_PAUSE: Final = 0.2


@dataclass(slots=True, kw_only=True)
class _Follower:
    """Reads what is added to a log that is put aside and begun anew when it is full."""

    path: Path
    _file: IO[str] | None = field(default=None)
    _begun: str = ""

    def skip(self) -> None:
        """Go to the end."""
        self._file = self._open()
        if self._file:
            self._file.seek(0, 2)

    def read(self) -> list[str]:
        """Return the complete lines that were added."""
        following = self._open()
        # Only now, since nothing is added any more to what was put aside.
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
            return self.path.open(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return None

    def _rest(self) -> list[str]:
        *lines, self._begun = (self._begun + (self._file.read() if self._file else "")).split("\n")
        return lines


def tail(logs: Path, slots: Sequence[str], count: int) -> list[str]:
    """Return the last lines of some processes, each with its name before it.

    Args:
        logs: The folder with one folder per process.
        slots: The processes.
        count: How many.
    """
    found = [(line, slot) for slot in slots for line in _last_of(logs / slot, count)]
    return [_render(line, slot) for line, slot in sorted(found, key=_moment)[-count:]]


def follow(logs: Path, slots: Sequence[str]) -> Iterator[str]:
    """Yield lines as they come, until the caller has enough."""
    followers = {slot: _Follower(path=logs / slot / "current") for slot in slots}
    for follower in followers.values():
        follower.skip()
    try:
        while True:
            found = [(line, slot) for slot, follower in followers.items() for line in follower.read()]
            yield from (_render(line, slot) for line, slot in sorted(found, key=_moment))
            time.sleep(_PAUSE)
    finally:
        for follower in followers.values():
            follower.close()


def stamp() -> str:
    """Return the time as it stands before a line of a process that is just being started."""
    return (datetime.now(tz=UTC) - timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%S")


def _last_of(folder: Path, count: int) -> list[str]:
    """Return the last lines of a log and, where it is young, of those put aside before it."""
    lines: list[str] = []
    for path in [folder / "current", *sorted(folder.glob("@*"), reverse=True)]:
        if len(lines) >= count:
            break
        # It may have been put aside, or removed, since the folder was read.
        with suppress(FileNotFoundError):
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()[-count:] + lines
    return lines[-count:]


def _moment(found: tuple[str, str]) -> str:
    """Return the time of a line; those of one moment, such as a traceback's, stay in the order of their log."""
    return found[0].partition(" ")[0]


def _render(line: str, slot: str) -> str:
    stamp, _, text = line.partition(" ")
    return f"{stamp.replace('_', 'T')[:23]}Z {slot}: {text}"
