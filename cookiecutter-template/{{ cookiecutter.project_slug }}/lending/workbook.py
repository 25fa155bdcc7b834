"""Items in an Excel workbook (Office Open XML): read without trust, and imported as a whole or not at all."""

import io
import zipfile
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from django.core.exceptions import ValidationError
from django.db import transaction

from lending.models import Item

COLUMNS = ("code", "name", "description")
MOST_BYTES = 5_000_000
MOST_UNPACKED = 50_000_000
MOST_ROWS = 10_000
MOST_REPORTED = 100


class WorkbookError(Exception):
    """A file that no row can be read from; the message says why."""


@dataclass
class Report:
    """What an import did: numbers of items, and the rejected rows, each with its number and the reasons."""

    created: int = 0
    updated: int = 0
    rejected: list[dict[str, Any]] = field(default_factory=list)


def load(file: BinaryIO) -> Report:
    """Import the items of the first sheet; if a row is rejected, none is imported.

    Raises WorkbookError where the file is none, is too large, or has other columns.
    """
    items, report = {}, Report()
    for number, cells in enumerate(_read(file), start=2):
        if not any(cells):
            continue
        item = Item(**dict(zip(COLUMNS, cells, strict=True)))
        reasons = _find_faults(item, cells)
        if item.code in items:
            reasons.append(f"code: {item.code} stands in an earlier row")
        if reasons:
            report.rejected.append({"row": number, "reasons": reasons})
        items[item.code] = item
    if not report.rejected:
        report.created, report.updated = _save(items)
    del report.rejected[MOST_REPORTED:]
    return report


@transaction.atomic
def _save(items: dict[str, Item]) -> tuple[int, int]:
    """Create or change items by their codes, one by one, so that each has its entry in the audit log."""
    known = {item.code: item for item in Item.objects.select_for_update().filter(code__in=items)}
    for code, given in items.items():
        item = known.get(code, given)
        item.name, item.description = given.name, given.description
        item.save()
    return len(items) - len(known), len(known)


def _read(file: BinaryIO) -> list[tuple[str, ...]]:
    """Return the cells of each row below the heading."""
    from openpyxl import load_workbook  # of the extra `excel`

    content = file.read(MOST_BYTES + 1)
    _check_size(content)
    try:
        book = load_workbook(io.BytesIO(content), read_only=True, keep_links=False)
        rows = book.worksheets[0].iter_rows(max_row=MOST_ROWS + 2, max_col=len(COLUMNS) + 1, values_only=True)
        read = [tuple("" if cell is None else str(cell).strip() for cell in row) for row in rows]
    # What a broken file makes of a parser is nothing that its documentation lists.
    except Exception as error:
        raise WorkbookError("this is no workbook that can be read: save it as .xlsx") from error
    heading = tuple(name.lower() for name in (read[0] if read else ()) if name)
    if heading != COLUMNS:
        raise WorkbookError(f"the first row must be {', '.join(COLUMNS)}, not {', '.join(heading) or 'empty'}")
    while len(read) > 1 and not any(read[-1]):
        read.pop()
    if len(read) > MOST_ROWS + 1:
        raise WorkbookError(f"more than {MOST_ROWS} rows: import it in parts")
    return [(*row, *[""] * len(COLUMNS))[: len(COLUMNS)] for row in read[1:]]


def _check_size(content: bytes) -> None:
    if len(content) > MOST_BYTES:
        raise WorkbookError(f"larger than {MOST_BYTES // 1_000_000} MB: import it in parts")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
    except zipfile.BadZipFile as error:
        raise WorkbookError("this is no Excel workbook: save it as .xlsx") from error
    if unpacked > MOST_UNPACKED:
        raise WorkbookError(f"larger than {MOST_UNPACKED // 1_000_000} MB when unpacked: import it in parts")


def _find_faults(item: Item, cells: tuple[str, ...]) -> list[str]:
    """Say what is wrong with a row. Formulas are no values: what they show depends on who calculated them last."""
    named = zip(COLUMNS, cells, strict=True)
    if reasons := [f"{name}: is a formula, paste its value" for name, cell in named if cell.startswith("=")]:
        return reasons
    try:
        item.clean_fields()
    except ValidationError as error:
        return [f"{name}: {text}" for name, texts in error.message_dict.items() for text in texts]
    return []
