"""Users of a target where root deploys: one for each kind of its programs, from a range that no other target has."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

from estiba.errors import TargetError

if TYPE_CHECKING:
    from collections.abc import Sequence

SERVICE: Final = "service"
POSTGRESQL: Final = "postgresql"
REDIS: Final = "redis"
NGINX: Final = "nginx"
LOG: Final = "log"
ACME: Final = "acme"
NAMES: Final = (SERVICE, POSTGRESQL, REDIS, NGINX, LOG, ACME)
"""Kinds of programs; the position of a name is the distance of its user and group ID from the first of the target."""

_SIZE: Final = 8
_RANGES: Final = (
    # What systemd's documentation (UIDS-GIDS) leaves to nobody, large enough for each target to have its own by chance.
    range(0x7000_0000, 0x7FFF_FFF0),
    # A container whose user namespace ends at 65535 has only IDs that a machine may give to people.
    range(40_000, 60_000),
)


def choose(folder: Path, mapped: Path = Path("/proc/self/uid_map")) -> int:
    """Return the first user ID of a target, which follows from its folder's path.

    Args:
        folder: State folder.
        mapped: User IDs that this process's user namespace has, see user_namespaces(7).

    Raises:
        TargetError: The namespace has none of those that a target may take.
    """
    known = [tuple(int(word) for word in line.split()) for line in mapped.read_text().splitlines()]
    number = int.from_bytes(hashlib.sha256(str(folder).encode()).digest()[:8], "big")
    for ids in _RANGES:
        if any(_holds(line, ids) for line in known):
            return ids.start + number % (len(ids) // _SIZE) * _SIZE
    msg = "this root has no user IDs for the programs of a target"
    raise TargetError(msg, hint=f"map {_RANGES[1].start} to {_RANGES[1].stop} into its user namespace")


def _holds(line: Sequence[int], ids: range) -> bool:
    first, _, count = line
    return first <= ids.start and ids.stop <= first + count
