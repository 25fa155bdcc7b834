from __future__ import annotations

from pathlib import Path

import pytest

from estiba.deploy.host.state import users
from estiba.errors import TargetError


def mapped(folder: Path, text: str) -> Path:
    """Write the user IDs of a namespace, as in user_namespaces(7)."""
    file = folder / "uid_map"
    file.write_text(text)
    return file


def test_targets_have_users_of_their_own(tmp_path: Path) -> None:
    """They follow from the folder, and are far from those of people and of other targets."""
    everything = mapped(tmp_path, "         0          0 4294967295\n")
    first, second = (users.choose(Path("/srv", name), everything) for name in ("one", "two"))

    assert users.choose(Path("/srv/one"), everything) == first
    assert abs(first - second) >= len(users.NAMES)
    assert min(first, second) >= 0x7000_0000
    assert max(first, second) < 0x8000_0000


def test_container_has_users_that_its_namespace_knows(tmp_path: Path) -> None:
    """A rootless one has 65536 of them."""
    chosen = users.choose(Path("/srv/one"), mapped(tmp_path, "0 1000 1\n1 100000 65535\n0 100000 65536\n"))

    assert 40_000 <= chosen < 60_000


def test_root_without_users_is_told(tmp_path: Path) -> None:
    """As in a namespace where root is the only one."""
    with pytest.raises(TargetError, match="no user IDs for the programs"):
        users.choose(Path("/srv/one"), mapped(tmp_path, "0 1000 1\n"))
