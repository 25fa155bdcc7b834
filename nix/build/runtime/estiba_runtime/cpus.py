"""How many CPUs this process may use, from its affinity and the quota of its control group."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

# One worker alone would mean no service while it restarts; many would fill the memory of a large host.
MIN_WORKERS: Final = 2
MAX_WORKERS: Final = 16


def count_workers(cpus: float) -> int:
    """Return the number of worker processes for so many CPUs; each has threads for what waits on input and output."""
    return min(MAX_WORKERS, max(MIN_WORKERS, math.ceil(cpus)))


def cpu_limit(root: Path = Path("/")) -> float:
    """Return the CPUs that this process may use, as a fraction where the quota is one.

    Args:
        root: Where `proc` and `sys` are mounted.
    """
    quotas = [quota for folder in _folders(root) if (quota := _quota(folder)) is not None]
    return min([float(len(os.sched_getaffinity(0))), *quotas])


def _folders(root: Path) -> Iterator[Path]:
    """Yield the folders of the process's control group and of all groups around it, for versions 1 and 2.

    Without a cgroup namespace the path is the host's, while the mount shows the container's group at its top; so
    folders that do not exist are yielded as well, and the top always is.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        parts = [] if ".." in path else path.strip("/").split("/")
        for mount in {"unified", "", "cpu", controllers}:
            for depth in range(len(parts) + 1):
                yield Path(root, "sys/fs/cgroup", mount, *parts[:depth])


def _quota(folder: Path) -> float | None:
    """Read the quota of one group: version 2's `cpu.max`, or version 1's pair of files; None without a limit."""
    try:
        if (both := folder / "cpu.max").exists():
            quota, period = both.read_text().split()
        else:
            quota = (folder / "cpu.cfs_quota_us").read_text().strip()
            period = (folder / "cpu.cfs_period_us").read_text().strip()
        return int(quota) / int(period) if quota not in {"max", "-1"} else None
    except (OSError, ValueError):
        return None
