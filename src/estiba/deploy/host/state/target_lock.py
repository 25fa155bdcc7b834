"""One command at a time works on a target; the others are told who does."""

from __future__ import annotations

import fcntl
import json
import os
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from estiba.errors import BusyError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from estiba.deploy.host.state.folder import StateFolder

_FILE: Final = "lock"
_TRIES: Final = 10
_PAUSE: Final = 0.02


@contextmanager
def acquire(folder: StateFolder, owner: Mapping[str, Any]) -> Iterator[None]:
    """Keep other commands from changing the target as long as the block runs, or this process lives.

    Args:
        folder: The target's folder.
        owner: Who works on it, for whoever comes next.

    Raises:
        BusyError: Another command works on it; says which and whose.
    """
    file = os.open(folder.path / _FILE, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _lock(file)
        os.ftruncate(file, 0)
        # On a full disk nobody is told who works here, but a command can be run.
        with suppress(OSError):
            os.pwrite(file, json.dumps(dict(owner), sort_keys=True).encode(), 0)
        yield
    finally:
        os.close(file)


def is_held(folder: StateFolder) -> bool:
    """Tell whether a command works on the target right now."""
    try:
        file = os.open(folder.path / _FILE, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


def _lock(file: int) -> None:
    """Take the lock; whoever only asks whether it is taken has it for a moment, too, and is waited for."""
    for _ in range(_TRIES - 1):
        with suppress(BlockingIOError):
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        time.sleep(_PAUSE)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        held = _parse(os.pread(file, 4096, 0))
        who = f"{held.get('user', 'somebody')} runs {held.get('command', 'a command')} here"
        msg = f"{who} since {held.get('since', 'just now')} (process {held.get('pid', 'unknown')})"
        raise BusyError(msg, hint="wait until it is done, then run this again") from error


def _parse(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
