"""Journal and logbook of a target as files: `journal.json`, and `logbook.jsonl` with one record a line."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from estiba.deploy.logbook import Record
from estiba.errors import TargetError

if TYPE_CHECKING:
    from estiba.deploy.host.state.folder import StateFolder

_JOURNAL: Final = "journal.json"
_LOGBOOK: Final = "logbook.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLogbook:
    """Logbook in a state folder; implements `estiba.deploy.logbook.Logbook`."""

    folder: StateFolder

    def open(self, record: Record) -> None:
        """Write the record of the command in progress to the journal."""
        self.folder.write(self.folder.path / _JOURNAL, record.to_dict())

    def interrupted(self) -> Record | None:
        """Return the record in the journal, or None. If the target is not locked, that command was killed.

        A journal that a power failure has emptied, or that is damaged, is that of a command that nothing is known of:
        what is left of it is repaired all the same, from what is served.
        """
        if not os.path.lexists(self.folder.path / _JOURNAL):
            return None
        return self._parse_journal() or replace(Record.begin("a command"), user="somebody")

    def close(self, record: Record) -> None:
        """Append a line to the logbook, then remove the journal."""
        self.append(record)
        journal = self.folder.path / _JOURNAL
        if os.path.lexists(journal) and self._parse_journal() is None:
            journal.replace(journal.with_name(f"{_JOURNAL}.damaged"))
        journal.unlink(missing_ok=True)

    def append(self, record: Record) -> None:
        """Append a line to the logbook; the journal stays."""
        line = json.dumps(record.to_dict(), sort_keys=True, ensure_ascii=False)
        path = self.folder.path / _LOGBOOK
        # A full disk may have cut the last line short; without a newline this record would be lost with it.
        text = self._text()
        is_cut = bool(text) and not text.endswith("\n")
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
        with os.fdopen(os.open(path, flags, 0o600), "a", encoding="utf-8") as file:
            file.write(f"\n{line}\n" if is_cut else f"{line}\n")
            file.flush()
            # On disk before the journal goes, so that a power failure loses neither of the two.
            os.fsync(file.fileno())

    def _parse_journal(self) -> Record | None:
        try:
            return Record.from_dict(self.folder.read(self.folder.path / _JOURNAL))
        except (TypeError, ValueError, TargetError):
            return None

    def records(self) -> list[Record]:
        """Return all records, oldest first; a line that a full disk has cut short, or damaged, is skipped."""
        return [record for line in self._text().split("\n") if (record := _parse(line))]

    def _text(self) -> str:
        return self.folder.read_text(self.folder.path / _LOGBOOK) or ""


def _parse(line: str) -> Record | None:
    try:
        found = json.loads(line)
        return Record.from_dict(found) if isinstance(found, dict) else None
    except (TypeError, ValueError, RecursionError):
        return None
