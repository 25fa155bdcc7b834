"""Many at once: results in order, the first error wins, the rest stop."""

from __future__ import annotations

import threading

import pytest

from estiba.publish.registry.parallel import Cancellation, CancelledError, each


def test_results_in_order() -> None:
    """Results come in the order of the items, whoever ends first."""
    first = threading.Event()

    def work(number: int) -> int:
        if number == 0:
            first.wait(5)
        else:
            first.set()
        return number * 2

    assert each(work, [0, 1], jobs=2) == [0, 2]


def test_error_stops_the_others() -> None:
    """One that fails ends those that run and keeps the rest from starting; its error is the one that is raised."""
    started = threading.Event()
    told: list[int] = []
    cancellation = Cancellation(told.append)

    def work(number: int) -> None:
        if number == 1:
            started.wait(5)
            message = "broken"
            raise ValueError(message)
        started.set()
        while True:
            cancellation(1)

    with pytest.raises(ValueError, match="broken"):
        each(work, [0, 1], jobs=2, cancellation=cancellation)
    with pytest.raises(CancelledError):
        cancellation(1)
    cancellation(-1)
    assert told[-1] == -1


def test_nothing_to_do() -> None:
    """No items, no results."""
    assert each(str, [], jobs=2) == []
