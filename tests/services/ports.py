"""Free ports, and waiting for one to be served."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from subprocess import Popen

_LIMIT = 30.0


def find_free() -> int:
    """Return a port of the loopback interface that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(port: int, process: Popen[bytes]) -> None:
    """Wait until a port accepts connections.

    Raises:
        RuntimeError: The process ended instead, or took too long.
    """
    deadline = time.monotonic() + _LIMIT
    while time.monotonic() < deadline:
        if process.poll() is not None:
            message = f"{process.args!r} ended with {process.returncode}"
            raise RuntimeError(message)
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    message = f"{process.args!r} does not listen on {port}"
    raise RuntimeError(message)


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait until something is so.

    Raises:
        RuntimeError: It took too long.
    """
    deadline = time.monotonic() + _LIMIT
    while not is_so():
        if time.monotonic() > deadline:
            message = "it is still not so"
            raise RuntimeError(message)
        time.sleep(0.05)
