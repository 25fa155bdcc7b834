"""`invoke logbook.*`: who released what to where, and when."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from estiba import config
from estiba.deploy import targets
from estiba.errors import LogbookError, UsageError
from estiba.release import settings
from estiba.release.logbook import comparison, load
from estiba.release.logbook import export as exports
from estiba.service import project as projects
from estiba.tasks.console import console, task
from estiba.tasks.options import choose

if TYPE_CHECKING:
    from collections.abc import Iterator

    from invoke import Context

    from estiba.release.logbook import Entry, Logbook

_PROJECT: Final = "Folder of the service."
_JSON: Final = "Print the result as one JSON object."
_TARGET: Final = "Only entries of this target."


@task(
    name="list",
    help={
        "target": _TARGET,
        "last": "Number of entries, the last ones; 0 for all.",
        "project": _PROJECT,
        "json": _JSON,
    },
)
def list_entries(_: Context, *, target: str = "", last: int = 20, project: str = ".", json: bool = False) -> None:
    """List the entries of the logbook, oldest first."""
    found = _read(_open(project), target)[-last:]
    if json:
        console.json({"entries": [entry.to_dict() for entry in found]})
        return
    rows = [(one.number, one.at[:19], one.command, one.target, one.version, one.result, one.actor) for one in found]
    console.table(("number", "at", "command", "target", "version", "result", "actor"), rows)


@task(
    positional=["number"],
    help={"number": "Number of the entry, from logbook.list.", "project": _PROJECT, "json": _JSON},
)
def show(_: Context, number: str, *, project: str = ".", json: bool = False) -> None:
    """Show all fields of an entry."""
    entries = {str(entry.number): entry for entry in _read(_open(project))}
    data = entries[choose("entry", number, [*entries], hint="invoke logbook.list")].to_dict()
    if json:
        console.json(data)
    else:
        console.table(("field", "value"), [*_flatten(data)])


@task(
    help={
        "target": "Target whose own records are compared with the logbook.",
        "project": _PROJECT,
        "json": _JSON,
    }
)
def verify(_: Context, *, target: str = "", project: str = ".", json: bool = False) -> None:
    """Verify the chain of the logbook, its history in git, and the remote's copy.

    Exits with 25 where an entry was changed, removed, moved or forged, also where a target has other records.
    """
    book = _open(project)
    problems = [*book.verify()]
    if target:
        problems += _compare(book, Path(project), target, is_sound=not problems)
    if json:
        console.json({"problems": [*problems]})
    if problems:
        message = "the logbook does not stand:" + "".join(f"\n  - {problem}" for problem in problems)
        raise LogbookError(message, hint="git log --patch on its branch shows when; another clone may have it whole")
    if not json:
        console.result(f"{len(book.entries())} entries, all in their place")


@task(
    help={
        "format": "csv, json or markdown.",
        "target": _TARGET,
        "out": "File to write; by default standard output.",
        "project": _PROJECT,
    }
)
def export(_: Context, *, format: str = "csv", target: str = "", out: str = "", project: str = ".") -> None:
    """Export the logbook as a table."""
    choose("format", format, exports.FORMATS)
    text = exports.render(_read(_open(project), target), format)
    if out:
        Path(out).write_text(text, encoding="utf-8", newline="")
    else:
        console.result(text.rstrip("\r\n"))


def _open(project: str) -> Logbook:
    service = projects.load(Path(project))
    return load(service.folder, settings.parse(service).logbook, config.load(), service=service.name)


def _flatten(value: object, name: str = "") -> Iterator[tuple[str, object]]:
    """Yield what JSON holds as pairs of a dotted name and a scalar; positions in a list count from 1."""
    if isinstance(value, dict):
        items = [*value.items()]
    elif isinstance(value, list):
        items = [*enumerate(value, start=1)]
    else:
        yield name, value
        return
    for key, each in items:
        yield from _flatten(each, f"{name}.{key}" if name else str(key))


def _compare(book: Logbook, folder: Path, name: str, *, is_sound: bool) -> list[str]:
    lines = targets.load(folder, name, config.load()).chain()
    if lines is None:
        message = f"target {name} holds no chain of records that the logbook could be compared with"
        raise UsageError(message, hint="invoke logbook.verify")
    if is_sound:
        book.update()
    try:
        return comparison.find_problems(book.entries(), lines, name)
    except LogbookError as error:
        return [f"{name} cannot be compared with: {error.message}"]


def _read(book: Logbook, target: str = "") -> list[Entry]:
    """Return the entries with those of others; without the remote those of this clone, and a warning."""
    if problem := book.update():
        console.warn(f"the entries of others are missing: {problem.splitlines()[-1]}")
    return [entry for entry in book.entries() if target in {"", entry.target}]
