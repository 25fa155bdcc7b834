"""Connections to a server: ssh, with what its own configuration says about keys, ports and hosts."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from estiba.errors import ConnectionLostError
from estiba.process import run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from estiba.process import Completed, Runner

_DESTINATION: Final = re.compile(
    r"(ssh://)?((?:[A-Za-z0-9_][\w.+-]*@)?[A-Za-z0-9_][\w.-]*)(?::([0-9]{1,5}))?", re.ASCII
)
_OPTIONS: Final = (
    # A connection that is dead is noticed in 15 s, whatever the network says about it.
    *("-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3", "-o", "ConnectTimeout=15"),
)
_LONGEST: Final = 49
"""Longest path of the folder of sockets: ssh adds 58 characters, and a socket's path has 107 at most (unix(7))."""

_FAILED: Final = 255
"""Exit code of ssh for errors of its own."""


def find_problem(destination: str) -> str:
    """Return what is wrong with a destination, or an empty string.

    Args:
        destination: `[USER@]HOST`, where the host may be a name in ssh_config(5), or `ssh://[USER@]HOST[:PORT]`.
    """
    found = _DESTINATION.fullmatch(destination)
    if found and (found[1] or not found[3]):
        return ""
    return f"'ssh' is {destination!r}, not [USER@]HOST or ssh://[USER@]HOST:PORT; ssh's own configuration may name more"


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Way to a server.

    Attributes:
        destination: As `find_problem` takes it.
        sockets: Folder for the socket of a connection that commands share for a minute, since each new one takes
            several round trips.
        runner: Runner of ssh.
    """

    destination: str
    sockets: Path
    runner: Runner = run

    @property
    def host(self) -> str:
        """User and host, as Nix and messages name them."""
        found = _DESTINATION.fullmatch(self.destination)
        return found[2] if found else self.destination

    @property
    def options(self) -> list[str]:
        """Options of ssh."""
        found = _DESTINATION.fullmatch(self.destination)
        port = ["-p", found[3]] if found and found[3] else []
        folder = str(self.sockets)
        if len(folder) > _LONGEST or re.search(r"[\s%\"'\\]", folder):
            return [*_OPTIONS, *port]
        self.sockets.mkdir(mode=0o700, parents=True, exist_ok=True)
        shared = ["-o", "ControlMaster=auto", "-o", f"ControlPath={folder}/%C", "-o", "ControlPersist=60"]
        return [*_OPTIONS, *shared, *port]

    def argv(self, script: str, *words: str, terminal: bool = False) -> list[str]:
        """Return the command that runs a shell script on the server.

        Args:
            script: Script of a POSIX shell; the user's own may be another one.
            words: Its arguments.
            terminal: Whether it gets a terminal, as ssh's `-t` gives one.
        """
        remote = shlex.join(["sh", "-c", script, "estiba", *words])
        options = [*self.options, *(["-t", "-o", "LogLevel=ERROR"] if terminal else ["-T"])]
        return ["ssh", *options, "--", self.host, remote]

    def run(self, script: str, *words: str, stdin: str = "", on_line: Callable[[str], None] | None = None) -> Completed:
        """Run a script on the server and wait for it; arguments are those of `argv` and of `estiba.process.run`.

        Returns:
            What it returned, with whatever exit code it had.

        Raises:
            ConnectionLostError: ssh failed, before or after the script began.
        """
        done = self.runner(self.argv(script, *words), stdin=stdin, check=False, on_line=on_line)
        if done.code == _FAILED or done.code < 0:
            raise self.lost(done.tail)
        return done

    def lost(self, tail: str) -> ConnectionLostError:
        """Return the error for a failure of ssh.

        Args:
            tail: What it said.
        """
        said = "\n".join(line for line in tail.splitlines() if not line.startswith("{")).strip()
        hint = f"ssh {self.destination} has to work by itself, with its key and its host known"
        return ConnectionLostError(f"no connection to {self.host}: {said or 'it was lost'}", hint=hint)
