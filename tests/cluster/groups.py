"""Control groups of a cluster (cgroups(7)): one in each hierarchy, below this process's own."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_LIMIT: Final = 30.0
_PAUSE: Final = 0.05
_NEEDED: Final = frozenset({"cpu", "cpuset", "memory", "pids"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A control group.

    Attributes:
        controllers: Those of its hierarchy, as in /proc/self/cgroup; empty for that of the second version.
        path: Its folder.
    """

    controllers: str
    path: Path


def plan(name: str) -> list[Group]:
    """Return the groups that a cluster would have.

    Raises:
        OSError: There are none on this machine that the kubelet could use; the message says why.
    """
    mounts = _mounts()
    lines = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    groups = []
    for _, controllers, own in lines:
        if controllers not in mounts:
            continue
        root, place = mounts[controllers]
        # The second version alone hands controllers to groups of the top, since others have processes.
        below = "" if len(lines) == 1 else os.path.relpath(own, root)
        if below.startswith(".."):
            raise OSError(f"the control group {own} of this process is not below {place}")
        groups.append(Group(controllers=controllers, path=Path(place, below, name)))
    known = {word for group in groups for word in group.controllers.split(",")}
    if len(lines) == 1 and groups:
        known = set((groups[0].path.parent / "cgroup.controllers").read_text().split())
    if missing := _NEEDED - known:
        raise OSError(f"the control groups of this machine lack {', '.join(sorted(missing))}")
    return groups


def _mounts() -> dict[str, tuple[str, str]]:
    """Return root and place of each hierarchy that is mounted, by its controllers."""
    hierarchies = {line.split(":", 2)[1] for line in Path("/proc/self/cgroup").read_text().splitlines()}
    found: dict[str, tuple[str, str]] = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        words = line.split()
        kind, _, options = words[words.index("-") + 1 :]
        if kind == "cgroup2":
            found.setdefault("", (words[3], words[4]))
        elif kind == "cgroup":
            given = set(options.split(","))
            found.update({one: (words[3], words[4]) for one in hierarchies if one and set(one.split(",")) <= given})
    return found


def make(groups: list[Group]) -> None:
    """Make groups that processes can enter.

    Raises:
        OSError: This machine does not let them be made.
    """
    for group in groups:
        if len(groups) == 1:
            names = (group.path.parent / "cgroup.controllers").read_text().split()
            (group.path.parent / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in names))
        group.path.mkdir(exist_ok=True)
        if "cpuset" in group.controllers:
            for name in ("cpuset.cpus", "cpuset.mems"):
                (group.path / name).write_text((group.path.parent / name).read_text())


def remove(groups: list[Group]) -> None:
    """Remove groups, with those in them, as soon as their last processes are gone.

    Raises:
        OSError: A process does not go.
    """
    deadline = time.monotonic() + _LIMIT
    for group in groups:
        while group.path.exists():
            try:
                for folder, _, _ in os.walk(group.path, topdown=False):
                    with suppress(FileNotFoundError):
                        Path(folder).rmdir()
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_PAUSE)
