"""A Docker engine of the tests' own, with its own programs, folder and socket, beside any that the machine runs."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.services import debian

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PACKAGE: Final = "docker.io"
_LIMIT: Final = 60.0


_NO_NETWORKS: Final = ("--bridge", "none", "--iptables=false")
_OWN_NETWORK: Final = ("unshare", "--net", "--")
_LOOPBACK: Final = ("sh", "-c", 'ip link set lo up && exec "$@"', "sh")
"""The programs of the tree, of which a fresh Debian has no `ip`."""


@dataclass(frozen=True, kw_only=True)
class Networked:
    """A Docker engine whose containers have networks, in a network namespace of its own.

    Attributes:
        address: Of its socket.
        inside: Words before a command that make it see the published ports.
    """

    address: str
    inside: tuple[str, ...]


@contextmanager
def run(folder: Path) -> Iterator[str]:
    """Run `dockerd` without a network bridge until the end of the block, and yield the address of its socket.

    Raises:
        RuntimeError: It does not start; the message has the end of its log.
    """
    with _running(folder, [], _NO_NETWORKS):
        yield _address(folder)


@contextmanager
def run_networked(folder: Path) -> Iterator[Networked]:
    """Run `dockerd` with networks until the end of the block; no packet of them reaches the machine's.

    Raises:
        RuntimeError: It does not start; the message has the end of its log.
    """
    programs = folder / "bin"
    programs.mkdir(parents=True)
    # Alternatives of Debian, which an unpacked tree has not chosen from.
    for name in ("iptables", "ip6tables"):
        (programs / name).symlink_to(f"/usr/sbin/{name}-nft")
    with _running(folder, _OWN_NETWORK, ()) as process:
        words = ("nsenter", f"--net=/proc/{process.pid}/ns/net", "--")
        yield Networked(address=_address(folder), inside=words)


@contextmanager
def _running(folder: Path, inside: Sequence[str], options: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    folder.mkdir(parents=True, exist_ok=True)
    entering = debian.inside(PACKAGE, "iproute2")
    # containerd's socket is below it, and the path of a socket has at most 107 bytes (unix(7)).
    own = Path(tempfile.mkdtemp(prefix="docker-"))
    argv = [*inside, *entering, *(_LOOPBACK if inside else ()), "dockerd", *options]
    argv += ["--host", _address(folder)]
    argv += ["--data-root", f"{folder}/data", "--exec-root", str(own), "--pidfile", f"{folder}/pid"]
    env = {"PATH": f"{folder}/bin:/usr/sbin:/usr/bin"}
    with (folder / "log").open("wb") as log, subprocess.Popen(argv, env=env, stdout=log, stderr=log) as process:
        try:
            _wait(folder / "sock", process, folder / "log")
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()
            shutil.rmtree(own, ignore_errors=True)


def _address(folder: Path) -> str:
    return f"unix://{folder}/sock"


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
