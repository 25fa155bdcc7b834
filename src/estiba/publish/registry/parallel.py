"""The same function on many items at once; the first error stops the rest."""

from __future__ import annotations

import threading
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_T = TypeVar("_T")
_R = TypeVar("_R")


class StoppedError(Exception):
    """Another item failed, or the user interrupted: this one ends early."""


class Stop:
    """Passes calls on until it is set, and then ends the thread that calls."""

    def __init__(self, sink: Callable[[int], None]) -> None:
        self._sink = sink
        self._event = threading.Event()

    def __call__(self, number: int) -> None:
        """Pass a positive number on unless stopped; what is taken back always passes."""
        if number > 0 and self._event.is_set():
            raise StoppedError
        self._sink(number)

    def set(self) -> None:
        """Let every later call raise."""
        self._event.set()


def each(function: Callable[[_T], _R], items: Iterable[_T], *, jobs: int, stop: Stop | None = None) -> list[_R]:
    """Call a function with every item, some at once, and return the results in order.

    Args:
        function: What to call.
        items: Its arguments.
        jobs: How many at once.
        stop: Set when a call fails or the user interrupts, so that the others need not run to their end.

    Raises:
        Exception: The first error in the order of the items, other than of being stopped.
    """
    with ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(function, item) for item in items]
        try:
            failed = any(future.exception() for future in wait(futures, return_when=FIRST_EXCEPTION).done)
        except BaseException:
            failed = True
            raise
        finally:
            if stop and failed:
                stop.set()
            for future in futures if failed else ():
                future.cancel()
    errors = [error for future in futures if not future.cancelled() and (error := future.exception())]
    for error in errors:
        if not isinstance(error, StoppedError):
            raise error
    return [future.result() for future in futures]
