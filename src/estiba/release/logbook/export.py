"""Entries of the logbook as a table: CSV, JSON or Markdown."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Final

from estiba.errors import ChoiceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from estiba.release.logbook.entry import Entry

FORMATS: Final = ("csv", "json", "markdown")

_COLUMNS: Final = (
    *("number", "at", "command", "target", "result", "actor", "service", "tag", "version", "commit", "digest"),
    *(
        "seconds",
        "started",
        "migrations",
        "approvals",
        "gates",
        "counts",
        "records",
        "plan",
        "lock",
        "reason",
        "hash",
        "before",
    ),
)
_SHORT: Final = ("number", "at", "command", "target", "tag", "version", "commit", "result", "actor", "reason")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""First characters of a cell that a spreadsheet would run."""


def render(entries: Sequence[Entry], form: str) -> str:
    """Return entries in a format, with a newline at the end.

    Args:
        entries: The entries.
        form: `csv` or `json` with all fields, or `markdown` with the main ones.

    Raises:
        ChoiceError: There is no such format.
    """
    if form == "json":
        return json.dumps([entry.to_dict() for entry in entries], indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    if form == "csv":
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\r\n")  # RFC 4180
        writer.writerow(_COLUMNS)
        writer.writerows([_guard(_cell(entry, name)) for name in _COLUMNS] for entry in entries)
        return stream.getvalue()
    if form == "markdown":
        rows = [_SHORT, ["---"] * len(_SHORT), *([_escape(_cell(entry, name)) for name in _SHORT] for entry in entries)]
        return "".join(f"| {' | '.join(row)} |\n" for row in rows)
    what = "format"
    raise ChoiceError(what, form, FORMATS)


def _cell(entry: Entry, name: str) -> str:
    value = getattr(entry, name)
    if name in {"migrations", "records"}:
        return " ".join(value)
    if name in {"approvals", "gates", "counts"}:
        return json.dumps(value, sort_keys=True, ensure_ascii=False) if value else ""
    return str(value)


def _guard(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _escape(cell: str) -> str:
    return " ".join(cell.replace("\\", "\\\\").replace("|", "\\|").split())
