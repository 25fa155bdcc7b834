from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from estiba.deploy.host.servers import postgresql_tuning

if TYPE_CHECKING:
    from pathlib import Path

GIGABYTE = 2**30


@pytest.mark.parametrize(
    ("total", "expected"),
    [
        pytest.param(0, ("64MB", "128MB", "4MB"), id="tiny"),
        pytest.param(4 * GIGABYTE, ("1024MB", "2048MB", "10MB"), id="small"),
        pytest.param(256 * GIGABYTE, ("8192MB", "131072MB", "64MB"), id="large"),
    ],
)
def test_settings_follow_the_machine(total: int, expected: tuple[str, str, str]) -> None:
    """A quarter is shared and half is likely cached, within what PostgreSQL makes use of."""
    found = postgresql_tuning.plan(total)

    assert (found["shared_buffers"], found["effective_cache_size"], found["work_mem"]) == expected


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        pytest.param("sys/fs/cgroup/memory.max", "max\n", 2048 * 1024, id="unlimited"),
        pytest.param("sys/fs/cgroup/memory.max", "1000000\n", 1000000, id="version-2"),
        pytest.param("sys/fs/cgroup/memory/memory.limit_in_bytes", "1000000\n", 1000000, id="version-1"),
    ],
)
def test_control_group_limits_the_machine(tmp_path: Path, file: str, text: str, expected: int) -> None:
    """In a container its limit counts, not what the host has."""
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "meminfo").write_text("MemTotal:        2048 kB\nMemFree:  1 kB\n")
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text(text)

    assert postgresql_tuning.measure(tmp_path) == expected
