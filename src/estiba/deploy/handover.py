"""The sockets that a server listens on, held while it is changed, so that who connects waits and is not refused.

Who asks meanwhile is queued by the kernel for as long as anybody has the socket open. The next process gets it from
here, through a socket in its service's folder, and binds one of its own where nobody is there: after a crash, or where
the kernel lets nobody take another process's sockets.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from estiba.deploy.folder import Folder

NAME: Final = "handover.sock"
"""In the folder of the service, where its starter looks for it."""

_PIDFD_GETFD: Final = 438
"""Number of a system call that Python has no function for; the same on all platforms."""


@contextlib.contextmanager
def hold(folder: Folder, place: Path, pid: int) -> Iterator[bool]:
    """Hold what a process listens on for as long as the block runs, for the one that is started in its place.

    Args:
        folder: The target's folder.
        place: The service's folder.
        pid: The process.

    Yields:
        Whether it is held; without, connections are refused from the end of one process to the start of the next.
    """
    with contextlib.ExitStack() as stack:
        held: list[socket.socket] = []
        try:
            held += [stack.enter_context(one) for one in _take(pid)]
            if held:
                stack.enter_context(_offer(folder, place, held))
        except OSError:
            held = []
        yield bool(held)


def _take(pid: int) -> list[socket.socket]:
    """Return the sockets that a process listens on."""
    taken: list[socket.socket] = []
    process = os.pidfd_open(pid)
    try:
        for name in os.listdir(f"/proc/{pid}/fd"):  # noqa: PTH208 - numbers, not paths
            with contextlib.suppress(OSError):
                found = _take_one(process, int(name))
                if found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    taken.append(found)
                else:
                    found.close()
    finally:
        os.close(process)
    return taken


def _take_one(process: int, number: int) -> socket.socket:
    libc = ctypes.CDLL(None, use_errno=True)
    file = libc.syscall(_PIDFD_GETFD, process, number, 0)
    if file < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    try:
        return socket.socket(fileno=file)
    except OSError:
        os.close(file)
        raise


@contextlib.contextmanager
def _offer(folder: Folder, place: Path, held: list[socket.socket]) -> Iterator[None]:
    """Give sockets to everybody who connects."""
    path = place / NAME
    path.unlink(missing_ok=True)
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        opened = os.open(place, os.O_PATH | os.O_DIRECTORY)
        stack.callback(os.close, opened)
        # By way of the open folder its path may be longer than the kernel takes.
        listener.bind(f"/proc/self/fd/{opened}/{NAME}")
        stack.callback(path.unlink, missing_ok=True)
        if folder.user is not None:
            os.chown(path, folder.uid, folder.gid)
        listener.listen()
        thread = threading.Thread(target=_give, args=(listener, held), daemon=True)
        thread.start()
        stack.callback(thread.join)
        # Wakes the thread up.
        stack.callback(listener.shutdown, socket.SHUT_RDWR)
        yield


def _give(listener: socket.socket, held: list[socket.socket]) -> None:
    while True:
        try:
            connection = listener.accept()[0]
        except OSError:
            return
        with connection, contextlib.suppress(OSError):
            socket.send_fds(connection, [b"\0"], [one.fileno() for one in held])
