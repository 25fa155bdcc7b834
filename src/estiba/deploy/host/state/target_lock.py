"""One command at a time works on a target; the others are told who does."""

from __future__ import annotations

import json
import os
import time
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from estiba.errors import BusyError
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
    """Keep other commands from changing the target as long as the block runs, or this process lives.

    Args:
        folder: The target's folder.
        owner: Who works on it, for whoever comes next.

    Raises:
        BusyError: Another command works on it; says which and whose.
    """
    with ExitStack() as stack:
        file = _enter(stack, folder.path / _FILE)
        os.ftruncate(file, 0)
        # On a full disk nobody is told who works here, but a command can be run.
        with suppress(OSError):
            os.pwrite(file, json.dumps(dict(owner), sort_keys=True).encode(), 0)
        yield


def is_held(folder: StateFolder) -> bool:
    """Tell whether a command works on the target right now."""
    path = folder.path / _FILE
    if not path.exists():
        return False
    try:
        with lock(path, shared=True):
            return False
    except BlockingIOError:
        return True


def _enter(stack: ExitStack, path: Path) -> int:
    """Take the lock; whoever only asks whether it is held has it for a moment, too, and is waited for."""
    for _ in range(_TRIES - 1):
        with suppress(BlockingIOError):
            return stack.enter_context(lock(path))
        time.sleep(_PAUSE)
    try:
        return stack.enter_context(lock(path))
    except BlockingIOError as error:
        held = _parse(path.read_bytes())
        who = f"{held.get('user', 'somebody')} runs {held.get('command', 'a command')} here"
        msg = f"{who} since {held.get('since', 'just now')} (process {held.get('pid', 'unknown')})"
        raise BusyError(msg, hint="wait until it is done, then run this again") from error


def _parse(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
