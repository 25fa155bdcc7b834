"""A Docker engine of the tests' own, with its own folder and socket, beside any that the machine runs."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_LIMIT = 60.0


@contextmanager
def run(folder: Path) -> Iterator[str]:
    """Run `dockerd` without a network bridge until the end of the block, and yield the address of its socket.

    Raises:
        RuntimeError: It does not start; the message has the end of its log.
    """
    if shutil.which("dockerd") is None or os.geteuid() != 0:
        message = "dockerd must be on PATH (apt-get install docker.io) and the tests must run as root"
        raise RuntimeError(message)
    folder.mkdir(parents=True, exist_ok=True)
    address = f"unix://{folder}/sock"
    argv = ["dockerd", "--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec", "--pidfile", f"{folder}/pid"]
    argv += ["--host", address, "--bridge", "none", "--iptables=false"]
    with (folder / "log").open("wb") as log, subprocess.Popen(argv, stdout=log, stderr=log) as process:
        try:
            _wait(folder / "sock", process, folder / "log")
            yield address
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()
            _unmount(folder)


def _unmount(folder: Path) -> None:
    """Take away what the engine leaves mounted, which could not be removed otherwise."""
    targets = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for target in reversed([target for target in targets if Path(target).is_relative_to(folder)]):
        subprocess.run(["umount", target], check=True)


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
