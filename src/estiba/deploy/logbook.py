"""Records of the commands run on a target: a journal of the one in progress, a logbook of those that have ended."""

from __future__ import annotations

import getpass
import os
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

_LISTS: Final = ("contracts", "migrations", "restarted", "reversed")
_TYPES: Final[Mapping[str, type]] = {
    **dict.fromkeys(("command", "user", "since", "digest", "version", "revision", "step", "result", "reason"), str),
    **dict.fromkeys(("pid", "number", "before"), int),
    **dict.fromkeys(_LISTS, list),
}
"""Types of the fields as JSON has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Entry of the journal or the logbook: one command that changed a target.

    Attributes:
        command: Name of the command: `deploy`, `rollback`, `down` or `manage`.
        user: Login name of the user who ran it, or the user ID where it has no name.
        since: Start time in UTC, RFC 3339 with milliseconds.
        pid: Process ID of the command.
        number: Revision number that the release was started under; 0 without a release.
        digest: Digest of the release.
        version: Version of the service.
        revision: Commit that the release was built from, or an empty string.
        before: Revision number that was served before; 0 for none.
        step: Last step of the rollout that was started.
        result: Outcome, such as `deployed`, `unchanged`, `rolled back` or `failed`; empty while in progress.
        reason: Reason of a failure.
        migrations: Migrations that were applied, as `app.name`.
        contracts: Those of them that remove what earlier releases need, as `app.name: reason; reason`. A rollback
            past them is refused.
        reversed: Migrations that were taken back, as `app.name`.
        restarted: Servers that were restarted because the release brings another build of them, as `name version`.
        seconds: Duration in seconds.
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
    reversed: tuple[str, ...] = field(default_factory=tuple)
    restarted: tuple[str, ...] = field(default_factory=tuple)
    seconds: float = 0.0

    @classmethod
    def begin(cls, command: str) -> Record:
        """Return the record of a command that starts now in this process."""
        return cls(command=command, user=_user(), since=now(), pid=os.getpid())

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Record:
        """Parse a record as written by `to_dict`; fields that a newer Estiba has added are left out.

        Raises:
            TypeError: It lacks a field, or one has another type.
            ValueError: The start time is none.
        """
        known = {one.name: data[one.name] for one in fields(cls) if one.name in data}
        for name, kind in _TYPES.items():
            if not isinstance(known.get(name, kind()), kind):
                msg = f"{name} is {known[name]!r}"
                raise TypeError(msg)
        record = cls(**{**known, **{name: tuple(data.get(name, ())) for name in _LISTS}})
        datetime.fromisoformat(record.since)
        return record

    def to_dict(self) -> dict[str, Any]:
        """Return the record as a JSON object."""
        return {**asdict(self), **{name: list(getattr(self, name)) for name in _LISTS}}

    def end(self, result: str, **changes: Any) -> Record:  # noqa: ANN401 - fields of this class
        """Return the record of a command that has ended.

        Args:
            result: Outcome, see `Record.result`.
            changes: Further fields of the record to set.
        """
        seconds = (datetime.now(tz=UTC) - datetime.fromisoformat(self.since)).total_seconds()
        return replace(self, result=result, seconds=round(seconds, 2), **changes)


class Logbook(Protocol):
    """Storage of a target's records: a journal with the command in progress, a list of those that have ended."""

    def open(self, record: Record) -> None:
        """Write the record of the command in progress to the journal; called again before each of its steps."""
        ...

    def interrupted(self) -> Record | None:
        """Return the record in the journal, or None. If the target is not locked, that command was killed."""
        ...

    def close(self, record: Record) -> None:
        """Append the record of a command that has ended, then clear the journal."""
        ...

    def append(self, record: Record) -> None:
        """Append the record of a command that repairs nothing; the journal of one that was killed stays."""
        ...

    def records(self) -> list[Record]:
        """Return all records of commands that have ended, oldest first."""
        ...


def now() -> str:
    """Return the current time in UTC, RFC 3339 with milliseconds."""
    return datetime.now(tz=UTC).isoformat(timespec="milliseconds")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container may run as a user ID that has no entry in passwd(5).
        return str(os.getuid())
