"""Requests to end: raised while there is something to end, and ignored while it is being ended."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_REQUESTS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def raised() -> Iterator[None]:
    """Raise `KeyboardInterrupt` for a lost terminal and a polite kill too, so that both clean up as Ctrl-C does."""
    with _handled(_interrupt):
        yield


@contextmanager
def ignored() -> Iterator[None]:
    """Let nobody interrupt the block, as a second Ctrl-C would."""
    with _handled(lambda *_: None):
        yield


@contextmanager
def _handled(handler: Callable[[int, object], object]) -> Iterator[None]:
    # What whoever started this process has switched off, as nohup does, stays off.
    before = {number: known for number in _REQUESTS if (known := signal.getsignal(number)) != signal.SIG_IGN}
    for number in before:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number, known in before.items():
            signal.signal(number, known)


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt
