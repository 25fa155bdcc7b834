"""The logbook beside the records that a target holds itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from estiba.deploy import chain
from estiba.release.logbook import comparison
from estiba.release.logbook.entry import Entry

if TYPE_CHECKING:
    from collections.abc import Sequence


def make(*versions: str) -> list[str]:
    """Return the chain of a target to which versions were deployed."""
    lines: list[str] = []
    for version in versions:
        record = {"command": "deploy", "version": version, "result": "deployed", "user": "ana", "since": "noon"}
        lines.append(chain.seal({"record": record}, lines))
    return lines


def enter(number: int, lines: Sequence[str], target: str = "production") -> Entry:
    """Return an entry that names records."""
    records = tuple(chain.parse(line)["hash"] for line in lines)
    about: dict[str, Any] = {"service": "shop", "command": "deploy", "actor": "ana", "version": f"1.{number}"}
    return Entry(number=number, before="", hash="", at="", target=target, records=records, **about)


def test_entry_names_what_none_before_it_has_named() -> None:
    """Also records of commands that wrote no entry, as a killed one; each target has its own."""
    lines = make("1.1", "1.2", "1.3")
    entries = [enter(1, lines[:1]), enter(2, lines, target="staging")]

    assert comparison.find_unnamed(entries, lines, "production") == enter(1, lines[1:]).records


def test_both_agree() -> None:
    """There is nothing to say."""
    lines = make("1.1", "1.2")
    entries = [enter(1, lines[:1]), enter(2, lines[1:])]

    assert comparison.find_problems(entries, lines, "production") == []


def test_command_that_changed_nothing_needs_no_entry() -> None:
    """Such as a second deployment of the same release by hand."""
    lines = make("1.1")
    lines.append(chain.seal({"record": {"command": "deploy", "version": "1.1", "result": "unchanged"}}, lines))

    assert comparison.find_problems([enter(1, lines[:1])], lines, "production") == []


def test_what_one_lacks_the_other_misses() -> None:
    """A removed entry, a removed record, a chain that was made anew, and one that was only changed."""
    lines = make("1.1", "1.2")
    entries = [enter(1, lines[:1]), enter(2, lines[1:])]

    assert comparison.find_problems(entries[:1], lines, "production") == [
        "no entry names record 2 (deploy, 1.2, deployed, ana, noon) of production"
    ]
    (lost,) = comparison.find_problems(entries, lines[:1], "production")
    assert lost.startswith("entry 2 (deploy 1.2) names record sha256:")
    assert len(comparison.find_problems(entries, make("1.1", "1.9"), "production")) == 2
    assert len(comparison.find_problems(entries, [], "production")) == 2
    changed = [lines[0].replace("ana", "bo"), lines[1]]
    assert comparison.find_problems(entries, changed, "production") == [
        "on production entry 1 was changed: its hash does not fit its content"
    ]
    assert comparison.find_problems(entries, ["no JSON", lines[1]], "production")[0].startswith(
        "on production entry 1 cannot be read"
    )
