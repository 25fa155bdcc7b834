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
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from estiba.deploy.host.state.folder import StateFolder

NAME: Final = "handover.sock"
"""In the folder of the service, where its starter looks for it."""

_PIDFD_GETFD: Final = 438
"""Number of a system call that Python has no function for; the same on all platforms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Sockets that are held; none where the kernel or the process gives none.

    Attributes:
        sockets: They.
        is_given: Set once somebody has them.
    """

    sockets: list[socket.socket] = field(default_factory=list)
    is_given: threading.Event = field(default_factory=threading.Event)

    def __bool__(self) -> bool:
        """Tell whether there are any; without, connections are refused between two processes."""
        return bool(self.sockets)

    def release_unless_given(self, limit: float) -> None:
        """Let go what nobody has come for in so many seconds, which whoever binds by himself would find taken."""
        if self.sockets and not self.is_given.wait(limit):
            self.close()

    def close(self) -> None:
        """Let go."""
        while self.sockets:
            self.sockets.pop().close()


@contextlib.contextmanager
def hold(folder: StateFolder, place: Path, pid: int) -> Iterator[Held]:
    """Hold what a process listens on for as long as the block runs, for the one that is started in its place.

    Args:
        folder: The target's folder.
        place: The service's folder.
        pid: The process.
    """
    held = Held()
    with contextlib.ExitStack() as stack:
        stack.callback(held.close)
        try:
            _take(pid, held)
            if held:
                stack.enter_context(_offer(folder, place, held))
        except OSError:
            held.close()
        yield held


def _take(pid: int, held: Held) -> None:
    """Take the sockets that a process listens on."""
    process = os.pidfd_open(pid)
    try:
        for name in os.listdir(f"/proc/{pid}/fd"):  # noqa: PTH208 - numbers, not paths
            with contextlib.suppress(OSError):
                found = _take_one(process, int(name))
                if found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    held.sockets.append(found)
                else:
                    found.close()
    finally:
        os.close(process)


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
def _offer(folder: StateFolder, place: Path, held: Held) -> Iterator[None]:
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


def _give(listener: socket.socket, held: Held) -> None:
    while True:
        try:
            connection = listener.accept()[0]
        except OSError:
            return
        with connection, contextlib.suppress(OSError):
            socket.send_fds(connection, [b"\0"], [one.fileno() for one in held.sockets])
            held.is_given.set()
