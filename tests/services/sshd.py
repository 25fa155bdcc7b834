"""A server: a minimal Debian with sshd, on which nothing of this project ever ran, and the way to it."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from tests.services import debian, openssh, ports

from estiba.deploy.host.supervise.runit import until

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAKE: Final = Path(__file__).with_name("minimal_debian.sh")
_ADDRESS: Final = "127.0.0.1"
_USER: Final = 1000
_LIMIT: Final = 60.0

# $1: the root; from $2: the command. pivot_root and not chroot, below which the kernel makes no user namespace.
_ENTER: Final = """
set -e
mount --bind "$1" "$1"
cd "$1"
mount -t proc proc proc
mount --rbind /sys sys
mount --rbind /dev dev
mkdir -p .machine
pivot_root . .machine
umount -l /.machine
rmdir /.machine
shift
exec "$@"
"""
_SETTINGS: Final = """
ListenAddress {address}:{port}
HostKey /etc/ssh/key
UsePAM no
PasswordAuthentication no
MaxStartups 100
PidFile /run/sshd.pid
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server with an ordinary user, `ana`, whose key is here.

    Attributes:
        folder: Folder of all that belongs to it.
        port: Where sshd listens on this machine.
        programs: Folder with an `ssh` for PATH that knows the key and the server, `ana@server`.
    """

    folder: Path
    port: int
    programs: Path
    destination: str = "ana@server"

    @property
    def root(self) -> Path:
        """Its root file system."""
        return self.folder / "root"

    @property
    def home(self) -> Path:
        """The user's home folder."""
        return self.root / "home" / "ana"

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run sshd for the time of the block; all that it has started ends with it."""
        spaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private", "--"]
        command = ["/usr/sbin/sshd", "-D", "-e", "-f", "/etc/ssh/sshd_config"]
        argv = [*spaces, "sh", "-c", _ENTER, "enter", str(self.root), *command]
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        with (self.root / "sshd.log").open("ab") as log, subprocess.Popen(argv, env=env, stderr=log) as daemon:
            try:
                assert any(self.run("true").returncode == 0 for _ in until(_LIMIT)), self.run("true").stderr
                yield
            finally:
                daemon.kill()

    def at(self, port: int) -> Server:
        """Return the server as it is reached by another port, such as a relay's."""
        programs = self.folder / f"programs-{port}"
        keys = {name: self.folder / "keys" / name for name in ("ana", "server")}
        host = keys["server"].with_suffix(".pub").read_text().split()
        _place(self.folder / "known_hosts", f"{' '.join(['server', *host[:2]])}\n", 0o644)
        options = {
            "HostName": _ADDRESS,
            "Port": port,
            "HostKeyAlias": "server",
            "IdentityFile": keys["ana"],
            "IdentitiesOnly": "yes",
            "UserKnownHostsFile": self.folder / "known_hosts",
            "GlobalKnownHostsFile": "/dev/null",
            "BatchMode": "yes",
        }
        lines = "".join(f"  {name} {value}\n" for name, value in options.items())
        _place(programs / "ssh_config", f"Host server\n{lines}", 0o644)
        words = [*openssh.find_words("ssh"), "-F", str(programs / "ssh_config")]
        _place(programs / "ssh", f'#!/bin/sh\nexec {" ".join(words)} "$@"\n', 0o755)
        return replace(self, programs=programs)

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the user's shell there."""
        argv = [str(self.programs / "ssh"), self.destination, command]
        return subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


def make(folder: Path, *, suite: str = "trixie") -> Server:
    """Make a server.

    Args:
        folder: An empty folder that everybody may look into.
        suite: The Debian release.
    """
    if not debian.is_superuser():
        pytest.skip("a server has files of several users, which root alone can make")
    subprocess.run([str(_MAKE), str(folder), suite, "openssh-server"], check=True)
    server = Server(folder=folder, port=ports.find_free(), programs=folder)
    root, keys = server.root, openssh.make_keys(folder / "keys", "ana", "server")
    with (root / "etc" / "passwd").open("a", encoding="utf-8") as users:
        users.write("sshd:x:101:65534::/run/sshd:/usr/sbin/nologin\n")
    (root / "run" / "sshd").mkdir(parents=True, exist_ok=True)
    _place(root / "etc" / "ssh" / "key", keys["server"].read_text(), 0o600)
    _place(root / "etc" / "ssh" / "sshd_config", _SETTINGS.format(address=_ADDRESS, port=server.port), 0o644)
    _place(server.home / ".ssh" / "authorized_keys", keys["ana"].with_suffix(".pub").read_text(), 0o644)
    subprocess.run(["chown", "-R", f"{_USER}:{_USER}", str(server.home)], check=True)
    return server.at(server.port)


def _place(path: Path, text: str, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
