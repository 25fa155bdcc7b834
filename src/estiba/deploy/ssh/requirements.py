"""What a service asks of its server, `server` in the settings of a target, and what the server has."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from estiba.errors import TargetError, describe_unknown
from estiba.lock import model

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from estiba.deploy.ssh.connection import Connection

_DEFAULTS: Final[Mapping[str, int | str]] = {"cores": 1, "disk": "10GB", "memory": "1GB", "postgresql": 0}
_SIZE: Final = re.compile(r"(\d+)\s*GB")
_GB: Final = 2**30
_SHARE: Final = 0.9
"""Share of a size that counts as all of it: the kernel and the file system keep some of what a provider sells."""

_POSTGRESQL: Final = re.compile(r"postgresql-(\d+)")

# Nothing of ours is there yet, so a shell has to do. $1: the target's folder, or its service and name.
_MEASURE: Final = """
say() { printf '%s=%s\\n' "$1" "$2"; }
folder=${1:-${XDG_STATE_HOME:-$HOME/.local/state}/estiba/$2/$3}
case $folder in '~/'*) folder=$HOME/${folder#'~/'} ;; /*) ;; *) folder=$HOME/$folder ;; esac
say cores "$(nproc)"
say memory "$(awk '/^MemTotal:/ { print $2 }' /proc/meminfo)"
say data "$(cat "$folder/data/postgresql/PG_VERSION" 2>/dev/null)"
while [ ! -e "$folder" ]; do folder=${folder%/*}; [ -n "$folder" ] || folder=/; done
say disk "$(df -k --output=size "$folder" "$HOME" | awk 'NR > 1 { print $1 }' | sort -n | head -n 1)"
say system "$(. /etc/os-release && echo "$PRETTY_NAME")"
say machine "$(uname -m)"
say user "$(id -un)"
PATH=$PATH:/nix/var/nix/profiles/default/bin
if command -v nix >/dev/null || { command -v apt-get && command -v dpkg-deb && command -v flock; } >/dev/null
then say nix possible; fi
if [ -d /run/systemd/system ]; then say systemd running; fi
if [ "$(id -u)" = 0 ] || [ -w /nix ] || [ -w /nix/var/nix/daemon-socket/socket ]; then say store /nix; fi
if [ "$(id -u)" = 0 ] || [ -e "/var/lib/systemd/linger/$(id -un)" ]; then say lingers yes; fi
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirements:
    """What a service asks of its server.

    Attributes:
        cores: Number of CPU cores.
        memory: Memory in GB.
        disk: Size of the file system of the data in GB.
        postgresql: Lowest major version of PostgreSQL that the service works with, or 0.
    """

    cores: int
    memory: int
    disk: int
    postgresql: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of what is asked and what is there.

    Attributes:
        name: What it is about.
        asked: What the service asks.
        found: What the server has.
        problem: What is missing and how to get it; empty for nothing.
        is_advice: Whether the service works without it.
    """

    name: str
    asked: str
    found: str
    problem: str = ""
    is_advice: bool = False


def find_problems(table: object) -> list[str]:
    """Return a sentence for each invalid setting of `server`."""
    if not isinstance(table, dict):
        return [f"'server' must be a table such as {{cores = 4, memory = '8GB'}}, not {table!r}"]
    problems = [f"'server': {describe_unknown(key, _DEFAULTS)}" for key in table if key not in _DEFAULTS]
    problems += [
        f"'server.{key}' must be a whole number above 0, not {value!r}"
        for key, value in table.items()
        if key in {"cores", "postgresql"} and (type(value) is not int or value < 1)
    ]
    return problems + [
        f"'server.{key}' must be a number with GB such as '8GB', not {value!r}"
        for key, value in table.items()
        if key in {"disk", "memory"} and not (isinstance(value, str) and _SIZE.fullmatch(value))
    ]


def parse(table: Mapping[str, Any]) -> Requirements:
    """Return the requirements of a table that `find_problems` has nothing to say about."""
    full = {**_DEFAULTS, **table}
    sizes = {key: int(str(full[key]).removesuffix("GB")) for key in ("disk", "memory")}
    return Requirements(cores=full["cores"], postgresql=full["postgresql"], **sizes)


def measure(connection: Connection, *, folder: str, service: str, target: str) -> dict[str, str]:
    """Return what a server has, by name; changes nothing there.

    Args:
        connection: Way to the server.
        folder: State folder there, or an empty string for the default one.
        service: Name of the service.
        target: Name of the target.

    Raises:
        ConnectionLostError: It cannot be reached.
        TargetError: It is no Linux with the usual programs.
    """
    done = connection.run(_MEASURE, folder, service, target)
    found = dict(line.split("=", 1) for line in done.stdout.splitlines() if re.match(r"[a-z]+=", line))
    if not found.get("cores", "").isdecimal() or not found.get("memory", "").isdecimal():
        msg = f"{connection.host} does not tell what it has: {done.tail or done.stdout}"
        raise TargetError(msg, hint="a server is a Debian or Ubuntu machine")
    return found


def read_postgresql(lock: Path) -> str:
    """Return the major version of PostgreSQL that a lock has, or an empty string for none, also without a lock."""
    if not lock.exists():
        return ""
    names = [one.name for one in model.parse(lock.read_text(encoding="utf-8")).debs]
    return next((found[1] for name in names if (found := _POSTGRESQL.fullmatch(name))), "")


def compare(asked: Requirements, found: Mapping[str, str], *, postgresql: str, machine: str) -> Iterator[Finding]:
    """Yield what is asked, and what a server has.

    Args:
        asked: What the service asks.
        found: What the server has, see `measure`.
        postgresql: Major version of PostgreSQL that the release brings, or an empty string for none.
        machine: Kind of the machine that builds, as uname(1) names it.
    """
    cores = int(found["cores"])
    yield Finding(
        name="CPU cores",
        asked=str(asked.cores),
        found=str(cores),
        problem=f"{asked.cores - cores} more CPU cores" if cores < asked.cores else "",
    )
    for name in ("memory", "disk"):
        wanted, size = getattr(asked, name), int(found.get(name) or 0) * 1024 / _GB
        missing = f"{name} of {wanted} GB, there is {size:.1f} GB" if size < wanted * _SHARE else ""
        yield Finding(name=name, asked=f"{wanted} GB", found=f"{size:.1f} GB", problem=missing)
    yield from _compare_postgresql(asked, found.get("data", ""), postgresql)
    yield from _compare_system(found, machine)


def _compare_postgresql(asked: Requirements, data: str, brought: str) -> Iterator[Finding]:
    problem = ""
    if asked.postgresql and int(brought or 0) < asked.postgresql:
        problem = f"PostgreSQL {asked.postgresql} in the lock: set version in [tool.estiba.postgresql], and lock"
    elif data and data != brought:
        problem = f"PostgreSQL {data} in the lock, which wrote the data that is there, or a new folder"
    wanted = f"{asked.postgresql} or newer" if asked.postgresql else "any"
    have = f"{brought or 'none'} with the release" + (f", data of {data}" if data else "")
    yield Finding(name="PostgreSQL", asked=wanted, found=have, problem=problem)


def _compare_system(found: Mapping[str, str], machine: str) -> Iterator[Finding]:
    user, there = found.get("user", ""), found.get("machine", "")
    possible = "" if found.get("nix") else "Debian or Ubuntu with apt, or Nix 2.18 or newer"
    yield Finding(name="system", asked="Debian, Ubuntu or Nix", found=found.get("system", ""), problem=possible)
    kind = "" if there == machine else f"a machine of kind {machine}, which builds what it runs"
    yield Finding(name="machine", asked=machine, found=there, problem=kind)
    if not found.get("systemd"):
        missing = "systemd, which starts the service after a reboot"
    elif not found.get("store"):
        missing = f"a store that systemd sees, to start the service after a reboot: sudo install -d -o {user} /nix"
    else:
        missing = (
            "" if found.get("lingers") else f"lingering, to start the service at boot: loginctl enable-linger {user}"
        )
    has = "started at boot" if not missing else "not started at boot"
    yield Finding(name="reboot", asked="systemd", found=has, problem=missing, is_advice=True)
