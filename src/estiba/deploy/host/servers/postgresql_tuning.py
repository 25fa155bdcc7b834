"""Memory settings of PostgreSQL, computed from the memory of the machine."""

from __future__ import annotations

from pathlib import Path
from typing import Final

CONNECTIONS: Final = 100

_MB: Final = 2**20
_SMALLEST: Final = 256 * _MB
_CGROUP: Final = ("sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes")


def measure(root: Path = Path("/")) -> int:
    """Return the memory in bytes that processes may use: that of the machine, or the limit of the control group."""
    total = next(
        int(line.split()[1]) * 1024
        for line in (root / "proc/meminfo").read_text().splitlines()
        if line.startswith("MemTotal:")
    )
    return min([total, *_limits(root)])


def plan(total: int) -> dict[str, str]:
    """Return the memory settings by name.

    A quarter of the memory for `shared_buffers` is what PostgreSQL's documentation recommends for a dedicated server.

    Args:
        total: Memory in bytes.
    """
    total = max(total, _SMALLEST)
    return {
        "effective_cache_size": _render(total // 2),
        "maintenance_work_mem": _render(min(total // 16, 1024 * _MB)),
        "max_connections": str(CONNECTIONS),
        "shared_buffers": _render(min(total // 4, 8192 * _MB)),
        "work_mem": _render(min(max(total // 4 // CONNECTIONS, 4 * _MB), 64 * _MB)),
    }


def _limits(root: Path) -> list[int]:
    texts = [(root / name).read_text().strip() for name in _CGROUP if (root / name).is_file()]
    return [int(text) for text in texts if text.isdigit()]


def _render(size: int) -> str:
    return f"{size // _MB}MB"
