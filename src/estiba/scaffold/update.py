"""Update of a service to the template of today, by a three-way merge of each file."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from estiba import files
from estiba.errors import CommandError, DriftError, ScaffoldError
from estiba.scaffold import new
from estiba.scaffold import record as records

if TYPE_CHECKING:
    from collections.abc import Mapping

    from estiba.process import Runner

UPDATE: Final = "invoke template.update"
_MODE: Final = 0o644
_LARGEST: Final = 127
"""Exit codes of `git merge-file` up to this one are numbers of conflicts (git-merge-file(1))."""


class Kind(StrEnum):
    """What an update does with a file."""

    ADDED = "added"
    CHANGED = "changed"
    MERGED = "merged"
    CONFLICT = "conflict"
    REMOVED = "removed"
    KEPT = "kept"
    """Both sides have gone their way, one of them by deleting it: the service's side stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What an update does with a file.

    Attributes:
        path: Path relative to the service's folder.
        kind: What is done.
        text: New content; None where the file is left alone or removed.
    """

    path: str
    kind: Kind
    text: str | None = None


class _Sides(NamedTuple):
    """Texts of a file: in the service, in the template before, and today; None where it is not there."""

    ours: str | None
    before: str | None
    today: str | None


def check(folder: Path) -> None:
    """Compare the template that a service was made from with that of this Estiba.

    Raises:
        DriftError: They differ; the message names the files.
        ScaffoldError: The service does not come from the template.
    """
    record = records.load(folder)
    today = new.render(record.answers)
    names = sorted({*record.files, *today.files})
    changed = [name for name in names if record.files.get(name) != today.files.get(name)]
    if changed:
        msg = f"the template has changed since: {', '.join(changed)}"
        raise DriftError(msg, hint=UPDATE)


def update(folder: Path, runner: Runner) -> tuple[Change, ...]:
    """Bring the changes of the template into a service, and return them.

    Files that the service has not touched become those of the template; others are merged, with conflict markers where
    both have changed the same lines. Nothing is written before all merges are known.

    Args:
        folder: Folder of the service, in a git repository without uncommitted changes.
        runner: Runs git.

    Raises:
        ScaffoldError: The service does not come from the template, or has uncommitted changes.
    """
    record = records.load(folder)
    _refuse_uncommitted(folder, runner)
    today = new.render(record.answers)
    changes = _plan(folder, record.files, today.files, runner)
    for change in changes:
        path = folder / change.path
        if change.kind is Kind.REMOVED:
            path.unlink()
        elif change.text is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            files.write(path, change.text, mode=path.stat().st_mode & 0o777 if path.exists() else _MODE)
    files.write(folder / records.NAME, today.dump(), mode=_MODE)
    return changes


def _refuse_uncommitted(folder: Path, runner: Runner) -> None:
    try:
        said = runner(["git", "status", "--porcelain", "--", "."], cwd=folder).stdout
    except CommandError as error:
        msg = f"{folder} is in no git repository, so an update could not be taken back"
        raise ScaffoldError(msg, hint="git init && git add . && git commit") from error
    if lines := said.splitlines():
        shown = ", ".join(line[3:] for line in lines[:5]) + (", …" if len(lines) > len(lines[:5]) else "")
        msg = f"uncommitted changes would be mixed with those of the template: {shown}"
        raise ScaffoldError(msg, hint="git commit or git stash")


def _plan(folder: Path, before: Mapping[str, str], today: Mapping[str, str], runner: Runner) -> tuple[Change, ...]:
    names = sorted(name for name in {*before, *today} if before.get(name) != today.get(name))
    sides = {name: _Sides(_read(folder / name), before.get(name), today.get(name)) for name in names}
    found = [_decide(name, sides[name], runner) for name in names]
    return tuple(change for change in found if change)


def _decide(name: str, sides: _Sides, runner: Runner) -> Change | None:
    """Return what to do with a file whose template has changed; None where the service has that change already."""
    ours, before, today = sides
    if ours == today:
        return None
    if ours == before:
        kind = Kind.REMOVED if today is None else Kind.ADDED if before is None else Kind.CHANGED
        return Change(path=name, kind=kind, text=today)
    if ours is None or today is None:
        return Change(path=name, kind=Kind.KEPT)
    text, is_clean = _merge(ours, before or "", today, runner)
    return Change(path=name, kind=Kind.MERGED if is_clean else Kind.CONFLICT, text=text)


def _merge(ours: str, before: str, today: str, runner: Runner) -> tuple[str, bool]:
    """Return the three-way merge of a file, and whether it has no conflicts."""
    labels = ("the service", "the template before", "the template")
    with tempfile.TemporaryDirectory(prefix="estiba-merge-") as work:
        paths = [Path(work, str(number)) for number in range(len(labels))]
        for path, text in zip(paths, (ours, before, today), strict=True):
            path.write_text(text, encoding="utf-8")
        named = [word for label in labels for word in ("-L", label)]
        done = runner(["git", "merge-file", "-p", *named, *map(str, paths)], check=False)
        if not 0 <= done.code <= _LARGEST:
            raise CommandError(done.argv, done.code, done.tail)
    return done.stdout, done.code == 0


def _read(path: Path) -> str | None:
    """Return the text of a file of the service; None where there is none."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (UnicodeDecodeError, OSError) as error:
        msg = f"{path} cannot be read as text, so the template's file cannot be merged into it"
        raise ScaffoldError(msg, hint=f"move it, then: {UPDATE}") from error
