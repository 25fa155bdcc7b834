"""Parallel calls of a function; the first error cancels the others."""

from __future__ import annotations

import threading
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_T = TypeVar("_T")
_R = TypeVar("_R")


class CancelledError(Exception):
    """The call was cancelled, because another one failed or the user interrupted."""


class Cancellation:
    """Progress callback that cancels: it forwards calls to `sink`, and raises once it is set."""

    def __init__(self, sink: Callable[[int], None]) -> None:
        self._sink = sink
        self._event = threading.Event()

    def __call__(self, number: int) -> None:
        """Forward a number to the sink; raise `CancelledError` if cancelled, except for a correction (negative)."""
        if number > 0 and self._event.is_set():
            raise CancelledError
        self._sink(number)

    def set(self) -> None:
        """Make all later calls raise."""
        self._event.set()


def each(
    function: Callable[[_T], _R], items: Iterable[_T], *, jobs: int, cancellation: Cancellation | None = None
) -> list[_R]:
    """Call a function with every item in a thread pool and return the results in order.

    Args:
        function: Function to call.
        items: Arguments of the calls.
        jobs: Number of threads.
        cancellation: Set when a call fails or the user interrupts, so that running calls end early.

    Raises:
        Exception: The first error in the order of the items, other than `CancelledError`.
    """
    with ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(function, item) for item in items]
        try:
            failed = any(future.exception() for future in wait(futures, return_when=FIRST_EXCEPTION).done)
        except BaseException:
            failed = True
            raise
        finally:
            if cancellation and failed:
                cancellation.set()
            for future in futures if failed else ():
                future.cancel()
    errors = [error for future in futures if not future.cancelled() and (error := future.exception())]
    for error in errors:
        if not isinstance(error, CancelledError):
            raise error
    return [future.result() for future in futures]
