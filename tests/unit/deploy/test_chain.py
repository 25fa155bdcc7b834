"""The hash chain of a logbook: whatever a line holds, it is an entry, or named."""

from __future__ import annotations

import pytest

from estiba.deploy import chain


@pytest.mark.parametrize(
    "line",
    [
        "",
        "[]",
        "{}",
        "[" * 100_000,
        *(f'{{"number":1,"before":"","hash":"",{one}}}' for one in ('"a":NaN', '"a":1e999')),
    ],
    ids=["empty", "list", "no place", "deep", "NaN", "infinite"],
)
def test_line_that_is_no_entry_is_named(line: str) -> None:
    """There is no other error."""
    (problem,) = chain.verify([line])

    assert problem.startswith("entry 1 cannot be read: a line of the logbook is not")


@pytest.mark.parametrize("place", ['"number":"1"', '"number":true', '"number":1.0'])
def test_place_has_a_type(place: str) -> None:
    """What follows a line counts on from it."""
    (problem,) = chain.verify([f'{{"before":"","hash":"",{place}}}'])

    assert "is not an entry" in problem


def test_chain_goes_on_from_its_last_line() -> None:
    """The lines before it may be elsewhere."""
    lines = chain.append([], [chain.seal({"a": number}, []) for number in range(3)])

    assert chain.verify(lines) == []
    assert chain.seal({"a": 2}, lines[:2]) == chain.seal({"a": 2}, lines[1:2]) == lines[2]
