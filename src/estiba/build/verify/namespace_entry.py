"""A program that runs a command as another user, on another host name, with another umask and fewer processors.

It runs as a file, in namespaces of its own that `unshare` has made, so it imports nothing of Estiba.
"""

from __future__ import annotations

import ctypes
import json
import os
import socket
import sys
from pathlib import Path
from typing import Any, Final

_MS_BIND: Final = 4096
_WORLD_SEARCH: Final = 0o001


def main(argv: list[str]) -> None:
    """Become what the first argument describes as JSON, then the command in the others.

    Its keys: `hostname`; `umask`; `processors`, a list of numbers; `shown`, folders to make visible to the new user;
    `uid`, or null to remain who one is.
    """
    wanted = json.loads(argv[0])
    if wanted["hostname"]:
        socket.sethostname(wanted["hostname"])
    reveal([Path(path) for path in wanted["shown"]])
    os.sched_setaffinity(0, wanted["processors"])
    os.umask(wanted["umask"])
    if wanted["uid"] is not None:
        become(wanted["uid"])
    os.execvp(argv[1], argv[1:])  # noqa: S606 - a list, and no shell


def reveal(paths: list[Path]) -> None:
    """Make folders reachable for everybody, in this mount namespace only.

    A folder above one that others may not pass is covered by an empty one that holds just the way to it.
    """
    closed = {path: folder for path in paths if (folder := find_closed(path))}
    handles = {path: os.open(path, os.O_PATH) for path in closed}
    for folder in sorted(set(closed.values())):
        mount("tmpfs", folder, kind="tmpfs", data="mode=755")
    for path, handle in handles.items():
        path.mkdir(parents=True)
        mount(f"/proc/self/fd/{handle}", path, flags=_MS_BIND)
        os.close(handle)


def find_closed(path: Path) -> Path | None:
    """Return the first folder on the way to a path that others may not pass."""
    return next((folder for folder in reversed(path.parents) if not folder.stat().st_mode & _WORLD_SEARCH), None)


def mount(source: str, target: Path, *, kind: str = "", flags: int = 0, data: str = "") -> None:
    """Mount a file system, or a folder in a second place.

    Raises:
        OSError: The kernel refuses.
    """
    libc: Any = ctypes.CDLL(None, use_errno=True)
    names = (source.encode(), os.fsencode(target), kind.encode() or None)
    if libc.mount(*names, ctypes.c_ulong(flags), data.encode() or None):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(target))


def become(uid: int) -> None:
    """Give up root for an ordinary user without groups."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


if __name__ == "__main__":
    main(sys.argv[1:])
