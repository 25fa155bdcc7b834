"""Comparison of the logbook with the records that a target holds itself, as a hash chain of its own.

An entry names the hashes of those records of its target that no entry before it has named: so neither of the two can
lose or change anything that the other one does not miss.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from estiba.deploy import chain
from estiba.errors import LogbookError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from estiba.release.logbook.entry import Entry

_SHORT: Final = len("sha256:") + 12


def find_unnamed(entries: Iterable[Entry], lines: Sequence[str], target: str) -> tuple[str, ...]:
    """Return the hashes of a target's records that no entry names, oldest first.

    Args:
        entries: Entries of the logbook.
        lines: Result of `Target.chain`.
        target: Name of the target.

    Raises:
        LogbookError: A line is no record.
    """
    named = {one for entry in entries if entry.target == target for one in entry.records}
    found = [str(chain.parse(line)["hash"]) for line in lines]
    return tuple(one for one in found if one not in named)


def find_problems(entries: Sequence[Entry], lines: Sequence[str], target: str) -> list[str]:
    """Return how the logbook and the records of a target differ, and what is wrong with the latter; see above."""
    known = {str(one["hash"]): one for one in _parse(lines)}
    lost = [
        f"entry {entry.number} ({entry.command} {entry.version}) names record {one[:_SHORT]}, which {target} has not"
        for entry in entries
        if entry.target == target
        for one in entry.records
        if one not in known
    ]
    unnamed = find_unnamed(entries, [chain.render(one) for one in known.values()], target)
    return [
        *(f"on {target} {wrong}" for wrong in chain.verify(lines)),
        *lost,
        *(
            f"no entry names record {_describe(known[one])} of {target}"
            for one in unnamed
            # A command by hand that has changed nothing writes no entry.
            if _record(known[one]).get("result") != "unchanged"
        ),
    ]


def _parse(lines: Iterable[str]) -> Iterable[dict[str, Any]]:
    for line in lines:
        try:
            yield chain.parse(line)
        except LogbookError:
            # `chain.verify` names it.
            continue


def _record(line: dict[str, Any]) -> dict[str, Any]:
    found = line.get("record")
    return found if isinstance(found, dict) else {}


def _describe(line: dict[str, Any]) -> str:
    about = _record(line)
    words = [str(about.get(name, "")) for name in ("command", "version", "result", "user", "since")]
    return f"{line['number']} ({', '.join(filter(None, words))})"
