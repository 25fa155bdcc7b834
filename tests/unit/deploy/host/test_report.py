from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from estiba.deploy.host import report
from estiba.deploy.host.state.folder import StateFolder
from estiba.deploy.host.supervise.runit import Runit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def runit(tmp_path: Path) -> Iterator[Runit]:
    """Return processes that ended at 100 s: a worker that is wanted, with its supervisor, and one that is not."""
    made = Runit(folder=StateFolder.at(tmp_path), names=["beat-a", "worker-a"])
    readers = []
    for name, wanted in (("beat-a", b"d"), ("worker-a", b"u")):
        folder = made.services / name / "supervise"
        folder.mkdir(parents=True)
        (folder / "status").write_bytes(bytes(12) + (77).to_bytes(4, "little") + b"\0" + wanted + b"\0\1")
        (folder.parent / "exit.json").write_text(json.dumps({"code": 1, "signal": 0, "time": 100.0}))
        for pipe in ("control", "ok"):
            os.mkfifo(folder / pipe)
            readers.append(os.open(folder / pipe, os.O_RDONLY | os.O_NONBLOCK))
    yield made
    for reader in readers:
        os.close(reader)


@pytest.mark.parametrize(("now", "names"), [(110.0, ["worker-a"]), (200.0, [])], ids=["again", "long-ago"])
def test_process_that_ends_again_and_again_is_told(runit: Runit, now: float, names: list[str]) -> None:
    """It is up whenever somebody looks, and a page may work without it."""
    assert list(report.find_restarts(runit, now)) == [
        f"{name} ended with 1 less than a minute ago, and was started again: invoke logs says why" for name in names
    ]
