"""The journal and the logbook of a target, as files in its folder."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from estiba.deploy.logbook import Record

if TYPE_CHECKING:
    from estiba.deploy.host.state.folder import StateFolder

_JOURNAL: Final = "journal.json"
_LOGBOOK: Final = "logbook.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLogbook:
    """The files in a target's folder; implements `estiba.deploy.logbook.Logbook`."""

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
