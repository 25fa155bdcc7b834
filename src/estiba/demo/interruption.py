"""Handling of SIGINT, SIGTERM and SIGHUP: raised as an exception during the demo, ignored during its cleanup."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_REQUESTS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def raised() -> Iterator[None]:
    """Raise `KeyboardInterrupt` for SIGTERM and SIGHUP too in the block, so that both clean up as Ctrl-C does."""
    with _handled(_interrupt):
        yield


@contextmanager
def ignored() -> Iterator[None]:
    """Ignore the signals in the block, such as a second Ctrl-C during the cleanup."""
    with _handled(lambda *_: None):
        yield


@contextmanager
def _handled(handler: Callable[[int, object], object]) -> Iterator[None]:
    # A signal that the parent process has set to be ignored, as nohup does, stays ignored.
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
