"""Journal of a release: an append-only file with a line for each step that began or ended."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from estiba.errors import ChoiceError, PlanError, ReleaseError, UsageError
from estiba.release import plan as plans

if TYPE_CHECKING:
    from collections.abc import Iterator

    from estiba.release.plan import Plan

FILE_NAME: Final = "journal.jsonl"
FORMAT: Final = 1

BEGUN: Final = "begun"
DONE: Final = "done"
FAILED: Final = "failed"
INTERRUPTED: Final = "interrupted"
WAITING: Final = "waiting"
ABORTED: Final = "aborted"
SUPERSEDED: Final = "superseded"

WHOLE: Final = "release"
"""Name of the step that stands for the release as a whole; its entry ends the journal."""

Write: TypeAlias = Callable[[Path, str], None]
"""Appends a line to a file."""

_TYPES: Final[Mapping[str, type]] = {
    "attempt": int,
    "code": int,
    "ended": str,
    "input": str,
    "output": dict,
    "reason": str,
    "result": str,
    "started": str,
    "step": str,
}
"""Types of the fields of an entry."""

_PRIVATE: Final = 0o600
_FOLDER: Final = 0o700


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Line of a journal about one step.

    Attributes:
        step: Name of the step, such as `deploy:staging`.
        result: `begun`, `done`, `failed`, `interrupted` or `waiting`; of the whole release also `aborted` and
            `superseded`.
        input: Digest of what the step depends on.
        attempt: Number of the attempt, from 1.
        started: Start in UTC, RFC 3339.
        ended: End in UTC, RFC 3339; empty for a step that has begun.
        output: Result of the step, JSON-serialisable.
        reason: Reason of a failure, or what a step waits for.
        code: Exit code that the failure has.
    """

    step: str
    result: str
    input: str = ""
    attempt: int = 1
    started: str = ""
    ended: str = ""
    output: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    code: int = 0

    @property
    def seconds(self) -> float:
        """Duration in seconds; 0 for a step that has begun."""
        if not self.ended:
            return 0.0
        return (datetime.fromisoformat(self.ended) - datetime.fromisoformat(self.started)).total_seconds()

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self)


@dataclass(kw_only=True)
class Journal:
    """Journal of one release.

    Attributes:
        path: The file.
        plan: Plan of the release.
        options: Options that the release was started with.
        owner: Who started it.
        started: Start in UTC, RFC 3339.
        entries: All entries, oldest first.
        write: Appends a line to the file and syncs it to disk.
    """

    path: Path
    plan: Plan
    options: Mapping[str, Any]
    owner: Mapping[str, Any]
    started: str
    entries: list[Entry] = field(default_factory=list)
    write: Write = field(default_factory=lambda: append)

    @property
    def identifier(self) -> str:
        """Name of the release."""
        return self.path.parent.name

    @property
    def result(self) -> str:
        """Result of the release: that of its last entry; `begun` means that it runs, or was killed."""
        return self.entries[-1].result if self.entries else BEGUN

    @property
    def is_ended(self) -> bool:
        """Whether the release has come to its end, and cannot be resumed."""
        return bool(self.entries) and self.entries[-1].step == WHOLE

    def last(self, step: str) -> Entry | None:
        """Return the last entry of a step, or None if it has not begun."""
        return next((entry for entry in reversed(self.entries) if entry.step == step), None)

    def steps(self) -> list[Entry]:
        """Return the last entry of each step, in the order in which the steps began."""
        return list({entry.step: entry for entry in self.entries if entry.step != WHOLE}.values())

    def add(self, entry: Entry) -> None:
        """Append an entry; it is on disk when this returns.

        Raises:
            OSError: The file cannot be written; what is in it stays.
        """
        self.write(self.path, json.dumps(entry.to_dict(), sort_keys=True))
        self.entries.append(entry)

    def end(self, result: str, reason: str = "") -> None:
        """Append the entry that ends the release."""
        at = now()
        self.add(Entry(step=WHOLE, result=result, started=self.started, ended=at, reason=reason))

    def to_dict(self) -> dict[str, Any]:
        """Return the release in the form of `invoke release.show --json`."""
        return {
            "commit": self.plan.commit,
            "id": self.identifier,
            "options": dict(self.options),
            "owner": dict(self.owner),
            "plan": str(self.plan.hash),
            "result": self.result,
            "service": self.plan.service,
            "started": self.started,
            "steps": [{**one.to_dict(), "seconds": one.seconds} for one in self.steps()],
            "tag": self.plan.tag,
            "targets": [one.name for one in self.plan.targets],
            "version": self.plan.version,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Journals:
    """Journals of all releases of a service that were run by this user on this machine.

    Attributes:
        folder: Folder with one folder for each release.
    """

    folder: Path

    def create(
        self, plan: Plan, options: Mapping[str, Any], owner: Mapping[str, Any], *, write: Write | None = None
    ) -> Journal:
        """Create the journal of a new release; one of the same plan that has ended is history, and stays as it is.

        Args:
            plan: Plan of the release.
            options: Options that it is started with.
            owner: Who starts it.
            write: Appends a line to the file; by default `append`.
        """
        path = self._find_free(plan.identifier) / FILE_NAME
        path.parent.mkdir(mode=_FOLDER, parents=True, exist_ok=True)
        journal = Journal(path=path, plan=plan, options=options, owner=owner, started=now(), write=write or append)
        header = {
            "format": FORMAT,
            "options": dict(options),
            "owner": dict(owner),
            "plan": plan.to_dict(),
            "started": journal.started,
        }
        journal.write(path, json.dumps(header, sort_keys=True))
        return journal

    def list(self) -> list[Journal]:
        """Return all journals, the oldest first.

        Raises:
            ReleaseError: One is damaged.
        """
        return sorted(map(load, self._paths()), key=lambda journal: journal.started)

    def open(self, identifier: str = "") -> Journal:
        """Return a journal by the name of its release; by default the last one that has not ended.

        Raises:
            ChoiceError: There is no such release.
            PlanError: No release is unfinished.
            ReleaseError: The journal is damaged.
        """
        if identifier:
            return self.find(identifier)
        if unfinished := self.unfinished():
            return unfinished
        msg = "no release is unfinished on this machine"
        raise PlanError(msg, hint="invoke release.history lists them; invoke release starts one")

    def find(self, identifier: str) -> Journal:
        """Return a journal by the name of its release, or by the start of it.

        Raises:
            ChoiceError: There is no such release.
            UsageError: There are several.
        """
        known = [path.parent.name for path in self._paths()]
        found = [name for name in known if name.startswith(identifier)]
        if len(found) > 1 and identifier not in known:
            msg = f"several releases begin with {identifier!r}: {', '.join(sorted(found))}"
            raise UsageError(msg, hint="invoke release.history shows when each was")
        if len(found) != 1 and identifier not in known:
            what = "release"
            raise ChoiceError(what, identifier, sorted(known), hint="invoke release.history")
        name = identifier if identifier in known else found[0]
        return load(self.folder / name / FILE_NAME)

    def last(self) -> Journal | None:
        """Return the journal of the last release, or None if there was none."""
        return next(reversed(self.list()), None)

    def unfinished(self) -> Journal | None:
        """Return the journal of the last release that has not ended, or None."""
        return next((journal for journal in reversed(self.list()) if not journal.is_ended), None)

    def _find_free(self, identifier: str) -> Path:
        """Return the folder of a new release, named after its plan, with a number where that was released before."""
        taken = {path.parent.name for path in self._paths()}
        names = (identifier if number == 1 else f"{identifier}-{number}" for number in itertools.count(1))
        return self.folder / next(name for name in names if name not in taken)

    def _paths(self) -> Iterator[Path]:
        # A release that was killed before its first line has an empty folder, or no whole line: it never began.
        return (path for path in self.folder.glob(f"*/{FILE_NAME}") if b"\n" in path.read_bytes())


def append(path: Path, line: str) -> None:
    """Append a line to a file and sync it to disk (fsync(2)); what a killed process left of a line is removed first.

    Raises:
        OSError: The file cannot be written.
    """
    is_new = not path.exists()
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    file = os.open(path, flags, _PRIVATE)
    # Buffered, since write(2) may take a part alone, as on a disk that gets full.
    with os.fdopen(file, "rb+") as stream:
        whole = stream.read().rfind(b"\n") + 1
        stream.truncate(whole)
        stream.seek(whole)
        stream.write(f"{line}\n".encode())
        stream.flush()
        os.fsync(file)
    if is_new:
        _sync_folder(path.parent)


def load(path: Path) -> Journal:
    """Read a journal. Its last line may be cut off, as a killed process leaves it: that entry was never made.

    Raises:
        ReleaseError: The file cannot be read, or a line before the last is damaged.
    """
    try:
        lines = path.read_bytes().split(b"\n")
        # What follows the last newline is empty, or the start of a line that was never completed.
        whole = [json.loads(line) for line in lines[:-1]]
        return _parse(path, whole)
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}"
        raise ReleaseError(msg) from error
    except (AttributeError, IndexError, KeyError, PlanError, RecursionError, TypeError, ValueError) as error:
        msg = f"the journal {path} is damaged: {error}"
        hint = f"rm -r {path.parent}, then invoke release: what is done is found again and not repeated"
        raise ReleaseError(msg, hint=hint) from error


def now() -> str:
    """Return the current time in UTC, RFC 3339 with milliseconds."""
    return datetime.now(tz=UTC).isoformat(timespec="milliseconds")


def _parse(path: Path, lines: list[Any]) -> Journal:
    header = lines[0]
    if header["format"] != FORMAT:
        msg = f"it has format {header['format']!r}, and this Estiba reads {FORMAT}"
        raise ValueError(msg)
    entries = [_parse_entry(line) for line in lines[1:]]
    plan = plans.parse(header["plan"])
    started = str(header["started"])
    datetime.fromisoformat(started)
    options, who = dict(header["options"]), dict(header["owner"])
    dict(options.get("skip", {}))
    return Journal(path=path, plan=plan, options=options, owner=who, started=started, entries=entries)


def _parse_entry(line: Mapping[str, Any]) -> Entry:
    fields = {name: line[name] for name in _TYPES}
    if wrong := [name for name, kind in _TYPES.items() if type(fields[name]) is not kind]:
        msg = f"the {wrong[0]} of a step is {fields[wrong[0]]!r}"
        raise TypeError(msg)
    for time in filter(None, (fields["started"], fields["ended"])):
        datetime.fromisoformat(time)
    return Entry(**fields)


def _sync_folder(folder: Path) -> None:
    """Sync the name of a new file to disk."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
