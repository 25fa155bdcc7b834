"""What was done to a target: a journal of what is under way, and a logbook of what is over."""

from __future__ import annotations

import getpass
import os
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final, Protocol

_LISTS: Final = ("contracts", "migrations", "restarted")


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A command that worked on a target, as the logbook has it.

    Attributes:
        command: What was asked for.
        user: Who asked.
        since: When, in RFC 3339.
        pid: The process that did it.
        number: Under which number a release was brought up; 0 for none.
        digest: Of that release.
        version: Of the service.
        revision: The commit, or an empty string.
        before: The number of what was served before; 0 for nothing.
        step: How far it came.
        result: `deployed`, `unchanged`, `rolled back`, `failed` and so on; empty while it is under way.
        reason: Why it failed, and where the evidence is.
        migrations: What was applied to the database.
        contracts: Those of them that releases before could not live with, and why; there is no way back past them.
        restarted: Servers that were started anew, since the release brings others, with their versions.
        seconds: How long it took.
    """

    command: str
    user: str
    since: str
    pid: int
    number: int = 0
    digest: str = ""
    version: str = ""
    revision: str = ""
    before: int = 0
    step: str = ""
    result: str = ""
    reason: str = ""
    migrations: tuple[str, ...] = field(default_factory=tuple)
    contracts: tuple[str, ...] = field(default_factory=tuple)
    restarted: tuple[str, ...] = field(default_factory=tuple)
    seconds: float = 0.0

    @classmethod
    def begin(cls, command: str) -> Record:
        """Return the record of a command that starts now."""
        return cls(command=command, user=_user(), since=now(), pid=os.getpid())

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Record:
        """Read a record as `to_dict` writes it."""
        return cls(**{**data, **{name: tuple(data.get(name, ())) for name in _LISTS}})

    def to_dict(self) -> dict[str, Any]:
        """Return the record as JSON has it."""
        return {**asdict(self), **{name: list(getattr(self, name)) for name in _LISTS}}

    def end(self, result: str, **changes: Any) -> Record:  # noqa: ANN401 - fields of this class
        """Return the record of a command that is over."""
        seconds = (datetime.now(tz=UTC) - datetime.fromisoformat(self.since)).total_seconds()
        return replace(self, result=result, seconds=round(seconds, 2), **changes)


class Logbook(Protocol):
    """Where a target keeps the record of what is under way, its journal, and the records of what is over."""

    def open(self, record: Record) -> None:
        """Note in the journal what is under way and how far it is."""
        ...

    def interrupted(self) -> Record | None:
        """Return what the journal has; where nobody works on the target, that command was killed."""
        ...

    def close(self, record: Record) -> None:
        """Add a record and clear the journal."""
        ...

    def records(self) -> list[Record]:
        """Return all records, the oldest first."""
        ...


def now() -> str:
    """Return the time in RFC 3339."""
    return datetime.now(tz=UTC).isoformat(timespec="milliseconds")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
