from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from estiba.service import processes
from estiba.service.processes import Process
from estiba_runtime import commands, servers
from estiba_runtime import processes as runtime

if TYPE_CHECKING:
    from pathlib import Path


def parse(**table: dict[str, Any]) -> dict[str, Process]:
    """Return the processes of a table by name."""
    assert processes.check(table) == []
    return {one.name: one for one in processes.parse(table)}


def test_web_is_always_there_and_first() -> None:
    """A table names what runs beside it."""
    assert [*parse(letters={}, beat={})] == ["web", "beat", "letters"]
    assert parse(beat={})["web"] == Process(name="web")


def test_table_is_read() -> None:
    """Each key has its place."""
    found = parse(
        web={"command": ["uvicorn"], "ready": "/up"},
        jobs={
            "command": ["celery", "worker"],
            "concurrency": 4,
            "grace": 300,
            "ready": ["celery", "inspect", "ping"],
            "stop-signal": "SIGQUIT",
        },
    )

    assert found["web"] == Process(name="web", command=("uvicorn",), ready="/up")
    assert found["jobs"] == Process(
        name="jobs",
        command=("celery", "worker"),
        concurrency=4,
        grace=300,
        ready_command=("celery", "inspect", "ping"),
        stop_signal="SIGQUIT",
    )


@pytest.mark.parametrize(
    ("name", "given", "instances"),
    [
        ("web", {"concurrency": 4}, 1),
        ("jobs", {"command": ["celery", "-A", "shop", "worker"], "concurrency": 4}, 1),
        ("worker", {"concurrency": 4}, 4),
        ("feed", {"command": ["manage", "feed"], "concurrency": 2}, 2),
        ("feed", {}, 1),
    ],
)
def test_programs_without_workers_run_as_many(name: str, given: dict[str, Any], instances: int) -> None:
    """Who has workers of its own is started once."""
    assert parse(**{name: given})[name].instances == instances


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("beat", {"command": ["celery", "beat"]}, True),
        ("jobs", {"command": ["celery", "worker", "-B"]}, True),
        ("scheduler", {}, True),
        ("clock", {"command": ["scheduler"]}, True),
        ("beat", {"command": ["celery", "beat"], "singleton": False}, False),
        ("jobs", {"command": ["celery", "worker"]}, False),
    ],
)
def test_clocks_are_never_there_twice(name: str, given: dict[str, Any], expected: bool) -> None:  # noqa: FBT001 - a value
    """Two of them would start every job twice."""
    assert parse(**{name: given})[name].is_singleton is expected


@pytest.mark.parametrize(
    ("name", "given", "problem"),
    [
        ("Web", {}, "'processes.Web' is no name of at most 16 lowercase letters, digits and dashes"),
        ("migrate", {}, "'processes.migrate' is a command of the image already; choose another name"),
        ("jobs", "celery", "'processes.jobs' must be a table such as {command = ['celery', 'worker']}, not 'celery'"),
        ("jobs", {"comand": []}, "'processes.jobs': unknown key 'comand', did you mean 'command'?"),
        (
            "jobs",
            {"command": "celery worker"},
            "'processes.jobs.command' must be a list of words such as ['celery', 'worker'], not 'celery worker'",
        ),
        ("jobs", {"concurrency": True}, "'processes.jobs.concurrency' must be a whole number above 0, not True"),
        ("jobs", {"grace": 0}, "'processes.jobs.grace' must be a number of seconds above 0, not 0"),
        (
            "jobs",
            {"ready": "/"},
            f"'processes.jobs.ready' must be {processes._KEYS['ready'][1]}, not '/'",
        ),
        (
            "web",
            {"command": ["granian"]},
            "'processes.web.command' starts with 'granian', not with one of daphne, gunicorn, hypercorn, uvicorn",
        ),
        ("other", {"command": ["web"]}, "'processes.other.command' starts a web server, which only 'web' can be"),
        (
            "beat",
            {"command": ["celery", "beat"], "concurrency": 2},
            "'processes.beat.concurrency' is 2, but there can be only one",
        ),
        (
            "jobs",
            {"stop-signal": "TERM"},
            f"'processes.jobs.stop-signal' must be one of {', '.join(processes.SIGNALS)}, not 'TERM'",
        ),
    ],
)
def test_wrong_tables_are_refused(name: str, given: object, problem: str) -> None:
    """Each problem is one sentence."""
    assert processes.check({name: given}) == [problem]


def test_image_knows_the_same_servers_and_commands() -> None:
    """What the table may name is what the entry point can start, and no name hides a command that targets need."""
    assert sorted(processes.SERVERS) == sorted(servers.SERVERS)
    assert all(f"  {name} " in commands.USAGE for name in processes._COMMANDS)


def test_image_gives_workers_to_those_that_have_some(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A number is either the program's or of programs, and both sides agree which."""
    monkeypatch.chdir(tmp_path)
    for argv in (["celery", "worker"], ["celery", "beat"], ["worker"], ["manage", "feed"]):
        table = {"jobs": {"command": argv, "concurrency": 3}}
        found = runtime.find("jobs", {"ESTIBA_PROCESSES": json.dumps(table)})
        line = commands.process_command(argv, found, {"PYTHONPATH": str(tmp_path)})
        (_, jobs) = processes.parse(table)
        assert ("--concurrency=3" in line) == (jobs.instances == 1)
