from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from tests.unit.deploy.host.state.test_revisions import make

from estiba.deploy.host.served import static_files
from estiba.deploy.target import Finished
from estiba.errors import DeployError

if TYPE_CHECKING:
    from pathlib import Path


class Processes:
    """Answers the one command, and notes it."""

    def __init__(self, code: int | None) -> None:
        self.ran: list[list[str]] = []
        self.settings = SimpleNamespace(migrate_limit=300)
        self._code = code

    def command(self, _: object, args: list[str], *, limit: float) -> Finished:
        """Note it."""
        assert limit == 300
        self.ran.append(args)
        return Finished(code=self._code, output="connection refused\n")


def programs(folder: Path, *, uploads: bool = True) -> Any:  # noqa: ANN401 - as much of it as is asked for
    """Return the programs of a release."""
    return SimpleNamespace(closure=replace(make(folder), uploads=uploads))


def test_files_that_stay_here_are_not_uploaded(tmp_path: Path) -> None:
    """Those are for nginx to serve."""
    processes: Any = Processes(1)
    static_files.upload(processes, programs(tmp_path / "one", uploads=False))

    assert processes.ran == []


@pytest.mark.parametrize(("code", "reason"), [(74, "ended with 74"), (None, "did not end within 300 seconds")])
def test_upload_that_fails_says_why(tmp_path: Path, code: int | None, reason: str) -> None:
    """On the way to a release it is an error; where one stays it is told, since it goes on being served."""
    processes: Any = Processes(code)
    told: list[str] = []
    with pytest.raises(DeployError, match=f"the upload of static files {reason}:\nconnection refused"):
        static_files.upload(processes, programs(tmp_path / "one"))
    static_files.restore(processes, programs(tmp_path / "two"), told.append)

    assert processes.ran == [["upload"], ["upload"]]
    assert told[0].startswith("the static files of the release that stays could not be uploaded again")
