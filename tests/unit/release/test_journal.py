from __future__ import annotations

import json
import resource
from typing import TYPE_CHECKING, Any

import pytest
from tests.unit.release.test_plan import PLAN

from estiba.errors import ChoiceError, PlanError, ReleaseError, UsageError
from estiba.release import journal as journals
from estiba.release.journal import ABORTED, BEGUN, DONE, Entry, Journals

if TYPE_CHECKING:
    from pathlib import Path

    from estiba.release.journal import Journal


def begin(folder: Path) -> Journal:
    """Begin a release with one step."""
    journal = Journals(folder=folder).create(PLAN, {"tag": ""}, {"user": "ana"})
    journal.add(Entry(step="build", result=BEGUN, input="1", started=journals.now()))
    return journal


def test_journal_survives_its_file(tmp_path: Path) -> None:
    """What was appended is read again, and only the user can read it."""
    journal = begin(tmp_path)
    found = Journals(folder=tmp_path).open()

    assert (found.plan, found.entries, found.owner, found.options) == (
        PLAN,
        journal.entries,
        {"user": "ana"},
        {"tag": ""},
    )
    assert journal.path.stat().st_mode & 0o777 == 0o600
    assert journal.path.parent.name == journal.identifier == PLAN.identifier


@pytest.mark.parametrize("tail", [b'{"step": "ga', b"\x00\x00\x00", "½".encode()[:1]], ids=["half", "zeros", "letter"])
def test_line_that_was_cut_off_is_repaired(tmp_path: Path, tail: bytes) -> None:
    """A killed process leaves half a line, which the next entry replaces."""
    journal = begin(tmp_path)
    with journal.path.open("ab") as file:
        file.write(tail)

    found = journals.load(journal.path)
    assert found.entries == journal.entries
    found.end(DONE)

    assert [entry.result for entry in journals.load(journal.path).entries] == [BEGUN, DONE]


@pytest.mark.parametrize(
    ("old", "new"),
    [('"result": "begun"', '"result": begun'), ('"format": 1', '"format": 9'), ('"input"', '"output"'), ("{", "[")],
    ids=["no-json", "format", "fields", "type"],
)
def test_damaged_journal_is_one_error(tmp_path: Path, old: str, new: str) -> None:
    """The message names the file, and the hint what to do."""
    path = begin(tmp_path).path
    path.write_text(path.read_text().replace(old, new))

    with pytest.raises(ReleaseError, match=f"the journal {path} is damaged") as caught:
        Journals(folder=tmp_path).list()
    assert caught.value.hint.startswith(f"rm -r {path.parent}")


def test_release_that_never_began_is_none(tmp_path: Path) -> None:
    """Killed in its first line."""
    path = begin(tmp_path).path
    path.write_bytes(path.read_bytes()[:40])

    assert Journals(folder=tmp_path).list() == []


def test_unfinished_release_is_found(tmp_path: Path) -> None:
    """Until it has ended."""
    journal = begin(tmp_path)
    stored = Journals(folder=tmp_path)
    assert stored.open().identifier == stored.find("1.1").identifier == journal.identifier

    journal.end(ABORTED, "wrong hat")

    assert stored.unfinished() is None
    with pytest.raises(PlanError, match="no release is unfinished"):
        stored.open()
    with pytest.raises(ChoiceError, match="no release '2'"):
        stored.find("2")
    begin(tmp_path)
    with pytest.raises(UsageError, match=r"several releases begin with '1.1': 1.1"):
        stored.find("1.1")


def test_entry_that_has_no_room_is_an_error(tmp_path: Path) -> None:
    """A disk that gets full takes a part of a line; the entry was not made, and the next one stands where it would."""
    journal = begin(tmp_path)
    size, before = journal.path.stat().st_size, resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            journal.end(DONE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [entry.result for entry in journal.entries] == [BEGUN]

    journal.end(ABORTED)

    assert [entry.result for entry in journals.load(journal.path).entries] == [BEGUN, ABORTED]


@pytest.mark.parametrize(
    "change",
    [{"output": []}, {"result": 1}, {"attempt": "1"}, {"ended": "yesterday"}, {"started": "x"}, {"code": None}],
    ids=str,
)
def test_field_of_another_type_is_damage(tmp_path: Path, change: dict[str, Any]) -> None:
    """It is found where the file is read, and not in the middle of a release."""
    path = begin(tmp_path).path
    header, entry = path.read_text().splitlines()
    path.write_text(f"{header}\n{json.dumps({**json.loads(entry), **change})}\n")

    with pytest.raises(ReleaseError, match=f"the journal {path} is damaged"):
        journals.load(path)
