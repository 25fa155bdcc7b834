"""Repeated measurements of one action."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Seconds of each run of one action."""

    runs: tuple[float, ...]

    @property
    def median(self) -> float:
        """The run in the middle."""
        return statistics.median(self.runs)

    def to_dict(self) -> dict[str, Any]:
        """Return the form of the results file."""
        return {"median": round(self.median, 3), "runs": [round(run, 3) for run in self.runs]}


def measure(action: Callable[[], object], *, runs: int, prepare: Callable[[], object] = lambda: None) -> Times:
    """Time an action several times.

    Args:
        action: What is timed.
        runs: How often.
        prepare: Runs before each, off the clock.
    """
    seconds = []
    for _ in range(runs):
        prepare()
        started = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - started)
    return Times(runs=tuple(seconds))
