from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests import wheelfile
from tests.services import index, locking

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.services.index import RunningIndex


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """Copy the tiny service with its lock."""
    return locking.prepare(locking.copy("tiny", tmp_path / "tiny"))


@pytest.fixture
def running_index(tmp_path: Path) -> Iterator[RunningIndex]:
    """Run an index with one pure wheel."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    wheelfile.write(folder, "estiba_cargo", {"estiba_cargo/__init__.py": ""})
    with index.run(folder) as running:
        yield running
