"""Repeated measurements of actions that are to be compared."""

from __future__ import annotations

import os
import resource
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


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


@dataclass(frozen=True, slots=True)
class Action:
    """What is timed, and what has to be done before each time, off the clock; `clock` returns seconds."""

    run: Callable[[], object]
    prepare: Callable[[], object] = lambda: None
    clock: Callable[[], float] = time.perf_counter

    def time(self) -> float:
        """Return the seconds that it takes."""
        self.prepare()
        # What was written before would otherwise reach the disk at the expense of what is timed.
        os.sync()
        started = self.clock()
        self.run()
        return self.clock() - started


def count_processor_seconds() -> float:
    """Return the seconds that processors have spent on programs that ended, whatever else they were busy with."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(actions: Mapping[str, Action], *, runs: int, warm_up: bool = True) -> dict[str, Times]:
    """Time actions that take turns, there and back, so that what else the machine does is shared fairly.

    Args:
        actions: By name.
        runs: How often each.
        warm_up: Whether to leave out a first turn.
    """
    seconds: dict[str, list[float]] = {name: [] for name in actions}
    for turn in range(runs + warm_up):
        for name in reversed(list(actions)) if turn % 2 else actions:
            seconds[name].append(actions[name].time())
    return {name: Times(runs=tuple(found[int(warm_up) :])) for name, found in seconds.items()}
