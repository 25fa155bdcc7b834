from __future__ import annotations

import dataclasses
import io
import json
import os
import signal
import stat
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from estiba import config, files
from estiba.deploy.server import jobs
from estiba.errors import TargetError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from estiba.config import Config

NAME = "0" * 32
REQUEST = json.dumps(
    {
        "method": "variables",
        "arguments": {},
        "target": "production",
        "table": {"env": {"GREETING": "hello"}, "env-file": "not there"},
        "service": "shop",
        "processes": [],
        "variables": "TOKEN=geheim\n",
        "user": "ana",
    }
)


@pytest.fixture
def settings(tmp_path: Path) -> Config:
    """Return a configuration with a state folder of its own."""
    return dataclasses.replace(config.load(), state_dir=tmp_path)


def test_command_is_run_and_followed(settings: Config) -> None:
    """Its outcome stays until others have come; what was secret goes with its end."""
    job = jobs.locate(NAME, settings)
    request = jobs.put(job, REQUEST)
    assert request is not None
    assert request.user == "ana"
    assert stat.S_IMODE((job / "request.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(job.stat().st_mode) == 0o700
    jobs.work(job, settings)
    outcome = jobs.follow(job, 0, io.StringIO())

    assert {"TOKEN", "GREETING", "SECRET_KEY"} <= set(outcome["result"])
    assert [path for path in job.iterdir() if "geheim" in path.read_text()] == []


def test_request_is_taken_once(settings: Config) -> None:
    """A second connection with the same one follows what the first has begun."""
    job = jobs.locate(NAME, settings)

    assert jobs.put(job, REQUEST) is not None
    assert jobs.put(job, REQUEST) is None
    assert jobs.put(job, "") is None


@pytest.mark.parametrize("size", [0, 1, 40, len(REQUEST) - 1])
def test_half_a_request_begins_nothing(settings: Config, size: int) -> None:
    """A connection that broke while it was sent leaves nothing behind."""
    job = jobs.locate(NAME, settings)
    with pytest.raises(TargetError, match="the request is incomplete"):
        jobs.put(job, REQUEST[:size])

    assert not job.exists()


def test_killed_command_is_told(settings: Config) -> None:
    """Its lock is free, and there is no outcome."""
    job = jobs.locate(NAME, settings)
    jobs.put(job, REQUEST)
    (job / "lock").touch()
    (job / "progress.jsonl").write_text('{"status": "migrating"}\n{"stat')
    said = io.StringIO()

    assert "was killed before its end" in jobs.follow(job, 0, said)["error"]["message"]
    assert said.getvalue() == '{"status": "migrating"}\n'


def test_command_that_begins_meanwhile_is_followed(settings: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may take its lock between any two looks of a follower, and is not taken for one that was killed."""
    job = jobs.locate(NAME, settings)
    jobs.put(job, REQUEST)
    held = ExitStack()

    def begin(_: Path) -> list[str]:
        if not (job / "lock").exists():
            held.enter_context(jobs._hold(job))
        else:
            files.write(job / "outcome.json", '{"result": 1}')
        return []

    monkeypatch.setattr(jobs, "_read_lines", begin)
    with held:
        assert jobs.follow(job, 0, io.StringIO()) == {"result": 1}


def test_lock_has_its_name_when_it_is_held(settings: Config) -> None:
    """A follower that looks at it in between would hold it itself, and the command could not begin."""
    job = jobs.locate(NAME, settings)
    jobs.put(job, REQUEST)
    with files.lock(job / ".lock", shared=True), pytest.raises(BlockingIOError), jobs._hold(job):
        pass
    assert jobs._is_held(job) is None
    with jobs._hold(job):
        assert jobs._is_held(job) is True
    assert jobs._is_held(job) is False


def test_command_that_never_began_is_told_and_withdrawn(settings: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that wakes up later does not run what was reported as failed."""
    monkeypatch.setattr(jobs, "_BEGINNING", 0.0)
    job = jobs.locate(NAME, settings)
    jobs.put(job, REQUEST)

    assert "did not begin" in jobs.follow(job, 0, io.StringIO())["error"]["message"]
    jobs.work(job, settings)
    assert "request.json" in jobs.follow(job, 0, io.StringIO())["error"]["message"]


def test_follower_gets_what_it_has_not_seen(settings: Config) -> None:
    """From the line on that the other side names, while the command runs."""
    job = jobs.locate(NAME, settings)
    jobs.put(job, REQUEST)
    said = io.StringIO()
    with files.lock(job / "lock"):
        (job / "progress.jsonl").write_text('{"status": "one"}\n{"status": "two"}\n')
        found: list[object] = []
        follower = threading.Thread(target=lambda: found.append(jobs.follow(job, 1, said)))
        follower.start()
        files.write(job / "outcome.json", '{"result": 1}')
        follower.join()

    assert found == [{"result": 1}]
    assert said.getvalue() == '{"status": "two"}\n'


def test_bad_settings_are_the_outcome(settings: Config) -> None:
    """As every other error, whose class the other side raises."""
    job = jobs.locate(NAME, settings)
    jobs.put(job, REQUEST.replace('"env":', '"envs":'))
    jobs.work(job, settings)

    assert jobs.follow(job, 0, io.StringIO())["error"]["class"] == "ConfigError"


@pytest.mark.parametrize("name", ["", "..", "../../etc", "0" * 31, "g" * 32])
def test_other_names_are_refused(settings: Config, name: str) -> None:
    """A name is never a path."""
    with pytest.raises(UsageError):
        jobs.locate(name, settings)


def test_old_commands_are_removed(settings: Config) -> None:
    """All but the last twenty, and none that runs."""
    folder = settings.state_dir / ".commands"
    for number in range(30):
        job = folder / f"{number:032x}"
        job.mkdir(parents=True)
        os.utime(job, (number, number))
    (folder / f"{0:032x}" / "lock").touch()
    with files.lock(folder / f"{0:032x}" / "lock"):
        jobs._prune(folder)

    assert sorted(int(path.name, 16) for path in folder.iterdir()) == [0, *range(10, 30)]


def test_secrets_of_killed_commands_are_removed(settings: Config) -> None:
    """By the next command, and not those of one that is about to begin; also what a connection has left half way."""
    old, new = (jobs.locate(digit * 32, settings) for digit in "01")
    for job in (old, new):
        jobs.put(job, REQUEST)
        (job / "variables").touch()
    half = old.with_name(f".{'2' * 32}.abc")
    half.mkdir()
    (half / "request.json").touch()
    for folder in (old, half):
        os.utime(folder, (1, 1))
    jobs.put(jobs.locate("3" * 32, settings), REQUEST)

    assert list(old.iterdir()) == []
    assert not half.exists()
    assert {path.name for path in new.iterdir()} == {"request.json", "variables"}


def test_interrupted_command_takes_its_way_back(settings: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its process gets the signal of Ctrl-C; one that has ended is left alone."""
    job = jobs.locate(NAME, settings)
    killed: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda *words: killed.append(words))
    jobs.put(job, REQUEST)
    jobs.take(job)
    (job / "pid").write_text("1234")
    with files.lock(job / "lock"):
        assert jobs.interrupt(job)
    files.write(job / "outcome.json", "{}")

    assert jobs.interrupt(job)
    assert killed == [(1234, signal.SIGINT)]


@pytest.mark.parametrize("is_there", [False, True], ids=["before its request", "before its process"])
def test_interrupted_command_never_begins(settings: Config, *, is_there: bool) -> None:
    """Neither by a request that arrives later nor by a process that is slow; asked again, the answer is the same."""
    job = jobs.locate(NAME, settings)
    if is_there:
        jobs.put(job, REQUEST)

    assert not jobs.interrupt(job)
    assert not jobs.interrupt(job)
    assert not jobs._place(job, "request.json", REQUEST)
    jobs.work(job, settings)
    assert "request.json" in jobs.follow(job, 0, io.StringIO())["error"]["message"]


@pytest.mark.parametrize(
    ("problem", "outcome"),
    [
        (KeyboardInterrupt(), {"interrupted": ""}),
        (OSError(28, "No space left on device", "/data"), "/data: No space left on device"),
    ],
    ids=["interrupted", "full disk"],
)
def test_end_before_the_call_is_an_outcome(
    settings: Config, monkeypatch: pytest.MonkeyPatch, problem: BaseException, outcome: object
) -> None:
    """The follower does not take it for a command that was killed; what was secret goes."""

    def fail(*_: object) -> None:
        raise problem

    monkeypatch.setattr("estiba.deploy.server.request.make_target", fail)
    job = jobs.locate(NAME, settings)
    jobs.put(job, REQUEST)
    jobs.work(job, settings)
    found = jobs.follow(job, 0, io.StringIO())

    assert outcome in (found, found.get("error", {}).get("message"))
    assert not (job / "request.json").exists()
