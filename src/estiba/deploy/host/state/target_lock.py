"""Lock of a target: one command at a time changes it, and the others name the holder."""

from __future__ import annotations

import json
import os
import time
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from estiba.errors import BusyError, TargetError
from estiba.files import lock

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from estiba.deploy.host.state.folder import StateFolder

_FILE: Final = "lock"
_TRIES: Final = 10
_PAUSE: Final = 0.02


@contextmanager
def acquire(folder: StateFolder, owner: Mapping[str, Any]) -> Iterator[None]:
    """Hold the lock of a target for the block; the kernel releases it if this process is killed.

    Args:
        folder: State folder of the target.
        owner: Record of the command (`estiba.deploy.logbook.Record`), for the error of others.

    Raises:
        BusyError: Another command holds the lock; the message names it and its user.
        TargetError: The lock file cannot be opened, or is a symbolic link.
    """
    with ExitStack() as stack:
        file = _enter(stack, folder.path / _FILE)
        # The owner is only for messages: a full disk must not prevent a rollback.
        with suppress(OSError):
            os.ftruncate(file, 0)
            os.pwrite(file, json.dumps(dict(owner), sort_keys=True).encode(), 0)
        yield


def is_held(folder: StateFolder) -> bool:
    """Return whether a command holds the lock of the target."""
    path = folder.path / _FILE
    if not path.exists():
        return False
    try:
        with lock(path, shared=True):
            return False
    except BlockingIOError:
        return True


def _enter(stack: ExitStack, path: Path) -> int:
    """Acquire the lock; several tries, since `is_held` of another process holds it for a moment too."""
    try:
        for _ in range(_TRIES - 1):
            with suppress(BlockingIOError):
                return stack.enter_context(lock(path))
            time.sleep(_PAUSE)
        return stack.enter_context(lock(path))
    except BlockingIOError as error:
        held = _parse(path.read_bytes() if path.is_file() else b"")
        who = f"{held.get('user', 'another user')} runs {held.get('command', 'a command')} here"
        msg = f"{who} since {held.get('since', 'just now')} (process {held.get('pid', 'unknown')})"
        raise BusyError(msg, hint="wait until it is done, then run this again") from error
    except OSError as error:
        msg = f"{path} cannot be locked: {error.strerror}"
        raise TargetError(msg, hint="check its type, owner and mode") from error


def _parse(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
