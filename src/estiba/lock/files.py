"""The lock files in a service's folder: one writer at a time, and all of them change or none does."""

from __future__ import annotations

import contextlib
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from estiba.errors import BusyError
from estiba.files import lock, stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_READABLE: Final = 0o644
"""Permissions of a lock file that is new; it goes into the repository."""


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Keep other processes from locking the same folder for as long as the block runs; nothing is left behind.

    Raises:
        BusyError: Another process does so already.
    """
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(lock(folder))
        except BlockingIOError as error:
            msg = f"another invoke lock works on {folder.resolve().name}"
            raise BusyError(msg, hint="wait until it is done, then run this again") from error
        yield


def read(folder: Path, names: Sequence[str]) -> dict[str, str]:
    """Read files; one that does not exist is empty."""
    paths = {name: folder / name for name in names}
    return {name: path.read_text(encoding="utf-8") if path.exists() else "" for name, path in paths.items()}


def write(folder: Path, texts: Mapping[str, str]) -> None:
    """Write files together: an interruption comes before the first has changed or after the last; empty ones go."""
    made = []
    try:
        for name, text in texts.items():
            if text:
                path = folder / name
                made.append(stage(path, text, mode=path.stat().st_mode & 0o7777 if path.exists() else _READABLE))
        with _uninterrupted():
            for one in made:
                one.commit()
            for name in (name for name, text in texts.items() if not text):
                (folder / name).unlink(missing_ok=True)
    finally:
        for one in made:
            one.discard()


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold back the signals that end a process until the block is done."""
    ending = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ending)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
