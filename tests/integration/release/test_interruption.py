"""Releases that are killed, or interrupted, at every moment."""

from __future__ import annotations

import shutil
import signal
from typing import TYPE_CHECKING

import pytest
from tests.services import releases

from estiba.release.journal import DONE

if TYPE_CHECKING:
    from pathlib import Path

STEPS = 10
"""Number of steps of a release to two targets."""

MOMENTS = [
    "write 1",
    *(f"wrote {number}" for number in range(1, 2 * STEPS + 2)),
    *(f"{word} {name}" for name in ("staging", "production") for word in ("deploy", "switch", "served", "smoke")),
]


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_release_ends_in_the_same_state(tmp_path: Path, moment: str) -> None:
    """Wherever a release is killed, the same command goes on with it, and so it does on another machine."""
    folder = releases.create(tmp_path / "shop")
    killed = releases.doom(folder, tmp_path / "state", moment)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    elsewhere = shutil.copytree(tmp_path, tmp_path.with_name(f"{tmp_path.name}-elsewhere"))
    shutil.rmtree(elsewhere / "state")

    for place in (tmp_path, elsewhere):
        service = releases.workspace(place / "shop", state=place / "state")
        assert releases.release(service).result == DONE
        assert [releases.target(service, name).version for name in service.targets] == ["1.0.0", "1.0.0"]
        for name in service.targets:
            deployed = [record.result for record in service.targets[name].records()].count("deployed")
            assert deployed <= 1
        assert service.journals.unfinished() is None
    assert len(releases.workspace(tmp_path / "shop", state=tmp_path / "state").journals.list()) <= 2


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
def test_interrupted_release_says_how_to_go_on(tmp_path: Path, number: str) -> None:
    """Ctrl-C and the end of a CI job are remembered in the journal."""
    folder = releases.create(tmp_path / "shop")
    stopped = releases.doom(folder, tmp_path / "state", "switch production", number)
    service = releases.workspace(folder, state=tmp_path / "state")

    assert stopped.returncode == 130
    assert stopped.stderr == "interrupted in deploy to production\n  hint: invoke release.resume\n"
    journal = service.journals.open()
    assert journal.result == "interrupted"
    assert releases.resume(service, journal).result == DONE


@pytest.mark.parametrize("moment", MOMENTS)
def test_interrupted_release_goes_on(tmp_path: Path, moment: str) -> None:
    """Wherever it is Ctrl-C, the same command ends in the same state."""
    folder = releases.create(tmp_path / "shop")
    stopped = releases.doom(folder, tmp_path / "state", moment, "SIGINT")
    assert stopped.returncode == 130, stopped.stderr
    service = releases.workspace(folder, state=tmp_path / "state")

    assert releases.release(service).result == DONE
    assert [releases.target(service, name).version for name in service.targets] == ["1.0.0", "1.0.0"]
    assert service.journals.unfinished() is None
