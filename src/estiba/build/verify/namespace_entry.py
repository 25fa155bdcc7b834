"""Program that runs a command as another user, with another host name and umask, and on fewer CPUs.

It is run as a file, in namespaces that unshare(1) has created, where Estiba may be unreadable; so it imports nothing of
Estiba.
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
"""Permission bit that lets other users pass through a folder (S_IXOTH)."""


def main(argv: list[str]) -> None:
    """Apply the settings in the first argument, a JSON object, and execute the command in the others.

    Keys are `hostname` (empty to keep it), `reachable` (folders to make reachable for the user), `processors` (CPU
    numbers), `umask` and `uid` (null to keep it).
    """
    wanted = json.loads(argv[0])
    if wanted["hostname"]:
        socket.sethostname(wanted["hostname"])
    make_reachable([Path(path) for path in wanted["reachable"]])
    os.sched_setaffinity(0, wanted["processors"])
    os.umask(wanted["umask"])
    # Last, since mounts and the host name need root.
    if wanted["uid"] is not None:
        drop_privileges(wanted["uid"])
    os.execvp(argv[1], argv[1:])  # noqa: S606 - a list, and no shell


def make_reachable(paths: list[Path]) -> None:
    """Make folders reachable for all users, in this mount namespace only.

    A parent folder that other users cannot pass is covered by a tmpfs, in which the folder is mounted at its old path.
    Changing permissions instead would open the parent folder to the whole machine.
    """
    closed = {path: folder for path in paths if (folder := find_unsearchable(path))}
    handles = {path: os.open(path, os.O_PATH) for path in closed}
    for folder in sorted(set(closed.values())):
        mount("tmpfs", folder, kind="tmpfs", data="mode=755")
    for path, handle in handles.items():
        path.mkdir(parents=True)
        mount(f"/proc/self/fd/{handle}", path, flags=_MS_BIND)
        os.close(handle)


def find_unsearchable(path: Path) -> Path | None:
    """Return the topmost parent folder of a path that other users cannot pass, or None."""
    return next((folder for folder in reversed(path.parents) if not folder.stat().st_mode & _WORLD_SEARCH), None)


def mount(source: str, target: Path, *, kind: str = "", flags: int = 0, data: str = "") -> None:
    """Mount a file system, or bind a folder to another path.

    Raises:
        OSError: The call failed.
    """
    libc: Any = ctypes.CDLL(None, use_errno=True)
    names = (source.encode(), os.fsencode(target), kind.encode() or None)
    if libc.mount(*names, ctypes.c_ulong(flags), data.encode() or None):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(target))


def drop_privileges(uid: int) -> None:
    """Change user and group ID for good, and drop supplementary groups."""
    # Groups first: without root they cannot be changed any more.
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


if __name__ == "__main__":
    main(sys.argv[1:])
