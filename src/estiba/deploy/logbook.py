"""What was done to a target: a journal of what is under way, and a logbook of what is over."""

from __future__ import annotations

import getpass
import json
import os
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from estiba.deploy.host.state_folder import StateFolder

_JOURNAL: Final = "journal.json"
_LOGBOOK: Final = "logbook.jsonl"
_LISTS: Final = ("contracts", "migrations", "restarted")


class Step(Enum):
    """How far a command is; a command that was killed left the last one in the journal."""

    SERVERS = "starting the servers"
    MIGRATE = "migrating"
    START = "starting the release"
    SWITCH = "switching"
    WORKERS = "replacing the workers"
    SMOKE = "trying the release"
    FINISH = "ending the release before"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A command's line in the logbook.

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Logbook:
    """The journal and the logbook in a target's folder."""

    folder: StateFolder

    def open(self, record: Record) -> None:
        """Note in the journal what is under way and how far it is."""
        self.folder.write(self.folder.path / _JOURNAL, record.to_dict())

    def interrupted(self) -> Record | None:
        """Return what the journal has; where nobody works on the target, that command was killed."""
        known = self.folder.read(self.folder.path / _JOURNAL)
        return Record.from_dict(known) if known else None

    def close(self, record: Record) -> None:
        """Add a line to the logbook and clear the journal."""
        line = json.dumps(record.to_dict(), sort_keys=True, ensure_ascii=False)
        path = self.folder.path / _LOGBOOK
        # A line that a full disk cut short must not swallow this one.
        is_cut = path.exists() and not path.read_bytes().endswith(b"\n")
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a", encoding="utf-8") as file:
            file.write(f"\n{line}\n" if is_cut else f"{line}\n")
            file.flush()
            os.fsync(file.fileno())
        (self.folder.path / _JOURNAL).unlink(missing_ok=True)

    def records(self) -> list[Record]:
        """Return all lines, the oldest first; one that a full disk cut short is left out."""
        path = self.folder.path / _LOGBOOK
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [Record.from_dict(json.loads(line)) for line in lines if line.startswith("{") and line.endswith("}")]


def now() -> str:
    """Return the time in RFC 3339."""
    return datetime.now(tz=UTC).isoformat(timespec="milliseconds")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
