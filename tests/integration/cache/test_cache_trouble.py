"""A binary cache that is down, as every command that builds tells of it."""

from __future__ import annotations

import shutil
import uuid
from typing import TYPE_CHECKING

import pytest
from tests.services import harbour as service
from tests.services import ports

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def changed(harbour: Path, tmp_path: Path) -> Path:
    """Copy the service with a line that nobody has built yet."""
    folder = tmp_path / harbour.name
    shutil.copytree(harbour, folder, symlinks=True, ignore=shutil.ignore_patterns(".estiba"))
    with (folder / "manage.py").open("a") as script:
        script.write(f"\n# {uuid.uuid4()}\n")
    return folder


@pytest.mark.parametrize("task", ["build", "build.verify", "check"])
def test_cache_that_is_down_is_told_of_once(task: str, changed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What needs a build goes on without the cache and says so, whatever it builds for."""
    url = f"http://127.0.0.1:{ports.find_free()}"
    monkeypatch.setenv("NIX_CONFIG", f"extra-substituters = {url}\ndownload-attempts = 1\nfallback = true\n")

    done = service.invoke(changed, task)

    assert done.stderr.count(f"warning: the cache at {url} does not answer; went on without it\n") == 1
