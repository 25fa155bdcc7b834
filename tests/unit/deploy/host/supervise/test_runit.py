from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from estiba.deploy.host.state.folder import StateFolder
from estiba.deploy.host.supervise.runit import Runit, until
from estiba.deploy.host.supervise.status import Status
from estiba.errors import DeployError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("end", "since", "expected"),
    [
        pytest.param({"code": 3, "signal": 0, "time": 20.0}, 0.0, "ended with 3", id="code"),
        pytest.param({"code": -1, "signal": 9, "time": 20.0}, 0.0, "was ended by signal 9", id="signal"),
        pytest.param({"code": 3, "signal": 0, "time": 20.0}, 30.0, "", id="of-the-run-before"),
        pytest.param({}, 0.0, "", id="not-ended"),
    ],
)
def test_end_is_that_of_the_run_that_is_waited_for(
    tmp_path: Path, end: dict[str, float], since: float, expected: str
) -> None:
    """A service that is started again has ended once before, which says nothing about its new run."""
    runit = Runit(folder=StateFolder.at(tmp_path), names=["web"])
    (runit.services / "web").mkdir(parents=True)
    (runit.services / "web" / "exit.json").write_text(json.dumps(end))

    assert runit.has_ended("web", since) == expected


def test_nobody_looks_after_a_service_without_its_pipe(tmp_path: Path) -> None:
    """Where no supervisor runs, a service is neither up nor wanted."""
    runit = Runit(folder=StateFolder.at(tmp_path), names=["web"])

    assert not runit.is_supervised("web")
    assert not runit.is_up("web")
    assert not runit.is_wanted("web")


def test_a_supervisor_that_goes_while_it_is_told_needs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its pipe may lose its reader between the opening and the writing."""
    runit = Runit(folder=StateFolder.at(tmp_path), names=["web"])
    pipe = runit.services / "web" / "supervise" / "control"
    pipe.parent.mkdir(parents=True)
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    opened = os.open

    def open_and_lose(path: Path, flags: int) -> int:
        writer = opened(path, flags)
        os.close(reader)
        return writer

    monkeypatch.setattr(os, "open", open_and_lose)

    runit.signal("web", "h")

    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(reader)


def test_what_takes_long_is_asked_less_and_less(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that needs its minute is not asked thousands of times, and one that is quick is not waited for."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))

    asked = [60 - left for left in until(60)]

    assert len(asked) < 200
    assert [round(moment, 2) for moment in asked[:4]] == [0, 0.02, 0.04, 0.06]
    assert max(after - before for before, after in pairwise(asked)) <= 1


def test_supervisor_is_found_by_where_it_works(tmp_path: Path) -> None:
    """One that a killed command has started, and one of another folder, are told apart."""
    supervisors = {name: Runit(folder=StateFolder.at(tmp_path / name), names=["web"]) for name in ("one", "other")}
    program = tmp_path / "runsvdir"
    program.symlink_to(sys.executable)
    for one in supervisors.values():
        one.services.mkdir(parents=True)
    # A run that is to outlive its terminal ignores the signal, and so would what it starts.
    argv = ["env", "--default-signal=HUP", str(program), "-c", "input()"]
    with subprocess.Popen(argv, cwd=supervisors["one"].services, stdin=subprocess.PIPE) as child:
        assert any(supervisors["one"]._find() == [child.pid] for _ in until(30))
        assert supervisors["other"]._find() == []
        supervisors["one"].stop(30)

        assert child.wait(30) == -signal.SIGHUP


def test_what_does_not_end_is_named(tmp_path: Path) -> None:
    """Nobody is told that all is down while something is not."""
    runit = Runit(folder=StateFolder.at(tmp_path), names=["web", "worker"])
    (pipe := runit.services / "web" / "supervise" / "ok").parent.mkdir(parents=True)
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)

    with pytest.raises(DeployError, match=r"^web did not end within 0\.1 seconds"):
        runit.stop(0.1)

    os.close(reader)


def test_logger_is_the_supervisors_own(tmp_path: Path) -> None:
    """It starts again from what the store keeps for as long as the supervisor runs, whichever release came since."""
    folder = StateFolder.at(tmp_path)
    folder.prepare()
    runit = Runit(folder=folder, names=["web"])
    runit.install("web", {"argv": [], "env": {}}, starter=tmp_path / "start")

    place = runit.services / "web" / "log"
    program = json.loads((place / "program.json").read_text())["argv"]
    assert program[1:] == ["-tt", "../../../logs/web"]
    assert os.path.normpath(place / program[0]) == str(tmp_path / "roots/supervisor/bin/svlogd")
    assert (runit.services / "web" / "down").exists()


def test_status_is_read_as_the_supervisor_writes_it() -> None:
    """The time counts from the epoch of atomic time, the process is in the other byte order."""
    data = (4611686018427387914 + 1000).to_bytes(8, "big") + (500_000_000).to_bytes(4, "big")
    data += (77).to_bytes(4, "little") + b"\0u\0\1"

    assert Status.parse(data) == Status(state="up", is_wanted=True, pid=77, since=1000.5)
