"""A Docker engine of the tests' own, with its own programs, folder and socket, beside any that the machine runs."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from tests.services import debian

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PACKAGE: Final = "docker.io"
_LIMIT: Final = 60.0
_ENV: Final = {"PATH": "/usr/sbin:/usr/bin"}


@contextmanager
def run(folder: Path) -> Iterator[str]:
    """Run `dockerd` without a network bridge until the end of the block, and yield the address of its socket.

    Raises:
        RuntimeError: It does not start; the message has the end of its log.
    """
    inside = debian.inside(PACKAGE)
    folder.mkdir(parents=True, exist_ok=True)
    address = f"unix://{folder}/sock"
    argv = [*inside, "dockerd", "--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec"]
    argv += ["--pidfile", f"{folder}/pid", "--host", address, "--bridge", "none", "--iptables=false"]
    with (folder / "log").open("wb") as log, subprocess.Popen(argv, env=_ENV, stdout=log, stderr=log) as process:
        try:
            _wait(folder / "sock", process, folder / "log")
            yield address
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def _wait(path: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the engine accepts connections on its socket."""
    deadline = time.monotonic() + _LIMIT
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(path)) == 0:
                return
        time.sleep(0.1)
    message = f"dockerd did not start:\n{log.read_text()[-2000:]}"
    raise RuntimeError(message)
