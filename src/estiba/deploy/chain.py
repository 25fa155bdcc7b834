"""Hash chain of a logbook: each line is canonical JSON with the hash of the line before it.

Canonical JSON has sorted keys, no blanks, and only ASCII characters; `hash` is the SHA-256 of the object without it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from estiba.digest import Digest
from estiba.errors import LogbookError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_START: Final[Mapping[str, Any]] = {"number": 0, "hash": ""}
_OWN: Final[Mapping[str, type]] = {"number": int, "before": str, "hash": str}
"""Fields of an entry's place in a chain, with their types."""


def render(data: Mapping[str, Any]) -> str:
    """Return the canonical JSON of an object, without a newline.

    Raises:
        ValueError: It has a number that JSON has not.
    """
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def seal(data: Mapping[str, Any], before: Sequence[str]) -> str:
    """Return the line of an entry that follows other lines.

    Args:
        data: Fields of the entry; its place in a chain, if it has one, is replaced.
        before: Lines before it, of which the last one counts.
    """
    last = parse(before[-1]) if before else _START
    place = {"number": last["number"] + 1, "before": last["hash"]}
    content = strip(data) | place
    return render({**content, "hash": _hash(content)})


def strip(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of an entry without its place in a chain."""
    return {name: value for name, value in data.items() if name not in _OWN}


def append(before: Sequence[str], lines: Sequence[str]) -> list[str]:
    """Return lines followed by the entries of other lines, which get new places in the chain."""
    chain = [*before]
    for line in lines:
        chain.append(seal(parse(line), chain))
    return chain


def parse(line: str) -> dict[str, Any]:
    """Parse a line.

    Raises:
        LogbookError: It is no entry.
    """
    try:
        data = json.loads(line)
        # Python reads what is no JSON: NaN, and numbers that are infinite to it.
        render(data)
    except (ValueError, RecursionError) as error:
        msg = f"a line of the logbook is not JSON: {line[:80]!r}"
        raise LogbookError(msg, hint="invoke logbook.verify") from error
    if not isinstance(data, dict) or {name: type(data.get(name)) for name in _OWN} != _OWN:
        msg = f"a line of the logbook is not an entry: {line[:80]!r}"
        raise LogbookError(msg, hint="invoke logbook.verify")
    return data


def verify(lines: Sequence[str]) -> list[str]:
    """Return what is wrong with a chain, one sentence per entry that was changed, removed, reordered or forged."""
    problems = []
    before = ""
    for number, line in enumerate(lines, 1):
        try:
            data = parse(line)
        except LogbookError as error:
            problems.append(f"entry {number} cannot be read: {error.message}")
            before = ""
            continue
        problems += _verify_entry(number, line, data)
        # After a line that cannot be read there is nothing to compare with, and the problem is named already.
        if data["before"] != before and (before or number == 1):
            problems.append(f"entry {number} does not follow the one before it: entries were removed, moved or forged")
        before = str(data["hash"])
    return problems


def compare(ours: Sequence[str], theirs: Sequence[str]) -> int:
    """Return the number of the first entry in which two chains differ, 0 where one begins with all of the other."""
    pairs = enumerate(zip(ours, theirs, strict=False), 1)
    return next((number for number, (mine, other) in pairs if mine != other), 0)


def _verify_entry(number: int, line: str, data: Mapping[str, Any]) -> list[str]:
    content = {name: value for name, value in data.items() if name != "hash"}
    # A line that says a key twice reads otherwise than it parses.
    if render(data) != line or data["hash"] != _hash(content):
        return [f"entry {number} was changed: its hash does not fit its content"]
    if data["number"] != number:
        return [f"entry {number} says that it is entry {data['number']}: entries were removed or moved"]
    return []


def _hash(content: Mapping[str, Any]) -> str:
    return str(Digest.of_bytes(render(content).encode()))
