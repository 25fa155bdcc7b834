"""TCP ports of a target: choice of a free one, check of a given one, and the process that holds a taken one."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Final

from estiba.errors import TargetError

if TYPE_CHECKING:
    from collections.abc import Collection

FIRST: Final = 8000
"""First port that the search for a free one tries."""

LAST: Final = 65535
"""Highest port."""

_LISTENING: Final = "0A"
"""Socket state TCP_LISTEN in /proc/net/tcp, see proc(5)."""
_TRIES: Final = 1000
_CLAIMS: Final[dict[int, int]] = {}
"""Ports that this process has chosen, each with the descriptor of the socket that tells others of it."""

_PRIVILEGED: Final = 1024
_PRIVILEGE_HINT: Final = (
    "run as root: sysctl -w net.ipv4.ip_unprivileged_port_start={port}, and write it to a file in /etc/sysctl.d; "
    "or deploy as root, or set {setting} in [tool.estiba.targets.local] to a higher one"
)
"""systemd could pass the socket too, but only through a unit that root installs for each port."""


def choose(address: str, first: int = FIRST, *, taken: Collection[int] = ()) -> int:
    """Return the first free port from a number on, which no other process chooses until this one ends.

    A first deployment binds its port only after its release has started, and another one may run meanwhile.

    Args:
        address: IP address to bind to.
        first: The number.
        taken: Ports that somebody else is going to bind.

    Raises:
        TargetError: The address is not one of this machine, or none is free.
    """
    for port in range(first, first + _TRIES):
        if port not in taken and _try_to_bind(address, port) is None and _claim(port):
            return port
    msg = f"no port from {first} to {first + _TRIES - 1} of {address} is free"
    raise TargetError(msg, hint="set port in [tool.estiba.targets.local]")


def _claim(port: int) -> bool:
    """Claim a port by the name of a socket, which goes with this process and is of the same namespace (unix(7))."""
    if port in _CLAIMS:
        return True
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind(f"\0estiba/port/{port}")
    except OSError:
        claim.close()
        return False
    _CLAIMS[port] = claim.detach()
    return True


def check(address: str, port: int, *, setting: str = "port") -> None:
    """Check that a port can be bound.

    Args:
        address: IP address to bind to.
        port: TCP port.
        setting: Key of the target's settings that names the port, for the error.

    Raises:
        TargetError: The port is taken, or privileged.
    """
    problem = _try_to_bind(address, port)
    if problem is None:
        return
    if problem.errno in {errno.EACCES, errno.EPERM}:
        msg = f"port {port} is below {_PRIVILEGED}, which this machine leaves to root"
        raise TargetError(msg, hint=_PRIVILEGE_HINT.format(setting=setting, port=port))
    holder = find_holder(port)
    msg = f"port {port} of {address} is taken{f' by {holder}' if holder else ''}"
    raise TargetError(msg, hint=f"end that program, or set another {setting} in [tool.estiba.targets.local]")


def reachable(address: str) -> str:
    """Return the IP address at which this machine itself reaches what listens on an address."""
    # A wildcard address can be listened on, but is no address to connect to on all systems.
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)  # noqa: S104 - compared, not bound


def is_in_the_way(one: tuple[str, int], other: tuple[str, int]) -> bool:
    """Return whether two pairs of IP address and port cannot both be listened on: one has all addresses of its kind."""
    kinds = [":" in address for address, _ in (one, other)]
    is_wild = any(reachable(address) != address for address, _ in (one, other))
    return one != other and one[1] == other[1] and kinds[0] == kinds[1] and is_wild


def has_ipv6() -> bool:
    """Return whether this machine has IPv6."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def find_holder(port: int) -> str:
    """Return name and process ID of a process that listens on a port, empty if it is another user's."""
    inodes = {f"socket:[{inode}]" for name in ("tcp", "tcp6") for inode in _listening(Path("/proc/net", name), port)}
    for link in Path("/proc").glob("[0-9]*/fd/*") if inodes else ():
        try:
            if os.readlink(link) in inodes:  # noqa: PTH115 - not a path
                return f"{(link.parents[1] / 'comm').read_text().strip()} (process {link.parents[1].name})"
        except OSError:
            continue
    return ""


def _listening(table: Path, port: int) -> list[str]:
    """Return the inodes of the sockets that listen on a port, from a table such as /proc/net/tcp (proc(5))."""
    try:
        rows = [line.split() for line in table.read_text().splitlines()[1:]]
    except OSError:
        return []
    return [row[9] for row in rows if row[3] == _LISTENING and int(row[1].rpartition(":")[2], 16) == port]


def _try_to_bind(address: str, port: int) -> OSError | None:
    """Return the error that the listener would get from bind(2), or None."""
    # Root's listener binds before it switches users. Another user's may lack a capability that this process has.
    if os.geteuid() and port < _PRIVILEGED and port < _first_unprivileged():
        return PermissionError(errno.EACCES, "privileged port")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        # As nginx does; otherwise connections in TIME_WAIT would make a free port look taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            if error.errno in {errno.EADDRINUSE, errno.EACCES, errno.EPERM}:
                return error
            msg = f"cannot listen on {address}: {error.strerror}"
            raise TargetError(msg, hint="set address in [tool.estiba.targets.local] to one of this machine") from error
    return None


def _first_unprivileged() -> int:
    try:
        return int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    except (OSError, ValueError):
        return _PRIVILEGED
