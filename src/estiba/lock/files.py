"""Lock files in the folder of a service: exclusive access, and writing all of them as one unit."""

from __future__ import annotations

import contextlib
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from estiba import files
from estiba.errors import BusyError
from estiba.files import lock, stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_READABLE: Final = 0o644
"""Permissions of a new lock file, which is committed to the repository."""


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Lock the folder of a service while the block runs (flock(2) on the folder itself, so no file is left).

    Raises:
        BusyError: Another process has locked the folder.
    """
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(lock(folder))
        except BlockingIOError as error:
            msg = f"another invoke lock works on {folder.resolve().name}"
            raise BusyError(msg, hint="wait until it is done, then run this again") from error
        yield


def read(folder: Path, names: Sequence[str]) -> dict[str, str]:
    """Return the texts of files by name, empty for each that does not exist."""
    paths = {name: folder / name for name in names}
    return {name: files.read(path) if path.exists() else "" for name, path in paths.items()}


def write(folder: Path, texts: Mapping[str, str]) -> None:
    """Replace several files as one unit, and delete those whose new text is empty.

    All new contents are on disk before the first file is replaced, and signals wait until the last one is.
    """
    staged_files = []
    try:
        for name, text in texts.items():
            if text:
                path = folder / name
                staged_files.append(
                    stage(path, text, mode=path.stat().st_mode & 0o7777 if path.exists() else _READABLE)
                )
        with _uninterrupted():
            for staged in staged_files:
                staged.commit()
            for name in (name for name, text in texts.items() if not text):
                (folder / name).unlink(missing_ok=True)
    finally:
        for staged in staged_files:
            staged.discard()


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Block SIGINT, SIGTERM and SIGHUP in this thread while the block runs."""
    ending = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ending)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
