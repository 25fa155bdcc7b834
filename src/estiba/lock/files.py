"""The lock files in a service's folder: one writer at a time, and all of them change or none does."""

from __future__ import annotations

import fcntl
import os
import signal
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from estiba.errors import BusyError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Keep other processes from locking the same folder for as long as the block runs; nothing is left behind.

    Raises:
        BusyError: Another process does so already.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        msg = f"another invoke lock works on {folder.resolve().name}"
        raise BusyError(msg, hint="wait until it is done, then run this again") from error
    finally:
        os.close(descriptor)


def read(folder: Path, names: Sequence[str]) -> dict[str, str]:
    """Read files; one that does not exist is empty."""
    paths = {name: folder / name for name in names}
    return {name: path.read_text(encoding="utf-8") if path.exists() else "" for name, path in paths.items()}


def write(folder: Path, texts: Mapping[str, str]) -> None:
    """Write files together: an interruption comes before the first has changed or after the last; empty ones go."""
    with tempfile.TemporaryDirectory(dir=folder, prefix=".estiba-") as scratch:
        for name, text in texts.items():
            made = Path(scratch, name)
            made.write_text(text, encoding="utf-8")
            if (folder / name).exists():
                made.chmod((folder / name).stat().st_mode)
            with made.open("rb") as file:
                os.fsync(file.fileno())
        with _uninterrupted():
            for name, text in texts.items():
                if text:
                    Path(scratch, name).replace(folder / name)
                else:
                    (folder / name).unlink(missing_ok=True)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold back the signals that end a process until the block is done."""
    ending = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ending)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
