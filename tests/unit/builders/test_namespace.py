from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import namespace
import root
from estiba.deploy.host.supervise.runit import until

if TYPE_CHECKING:
    from collections.abc import Iterator

PATHS = f"{Path(namespace.__file__).parent}:{Path(root.__file__).parent}"
RUN = """
import os, sys, namespace, root
uid, gid = os.getuid(), os.getgid()
namespace.run(lambda: root.map_user(uid, gid), lambda: os.execv("/bin/sh", ["sh", "-c", sys.argv[1]]))
"""


@contextmanager
def running(script: str) -> Iterator[subprocess.Popen[str]]:
    """Run a shell script in a PID namespace; yields the process that stays outside."""
    argv = [sys.executable, "-c", RUN, script]
    with subprocess.Popen(argv, env={"PYTHONPATH": PATHS}, stdout=subprocess.PIPE, text=True) as child:
        try:
            yield child
        finally:
            child.kill()


@pytest.mark.parametrize(
    ("script", "code"),
    [
        pytest.param("exit 0", 0, id="success"),
        pytest.param("exit 42", 42, id="code"),
        pytest.param("kill -TERM $$; sleep 9", -signal.SIGTERM, id="signal"),
        pytest.param("kill -KILL $$; sleep 9", -signal.SIGKILL, id="kill"),
    ],
)
def test_supervisor_sees_how_the_program_ended(script: str, code: int) -> None:
    """Exit code or signal are the program's, as if nothing were in between."""
    with running(script) as child:
        assert child.wait(20) == code


def test_program_has_a_number_of_its_own() -> None:
    """Behind the process that collects what others leave."""
    with running("echo $$ $PPID; sleep 0.1 & sleep 0.3; exit 7") as child:
        assert child.stdout is not None
        assert child.stdout.read() == "2 1\n"
        assert child.wait(20) == 7


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGWINCH])
def test_signals_reach_the_program_once(number: signal.Signals) -> None:
    """A second SIGTERM is an order of another kind to some programs."""
    name = number.name.removeprefix("SIG")
    wait = "for _ in $(seq 100); do [ -z $got ] || break; sleep 0.1; done; sleep 0.3"
    script = f"trap 'echo got; got=1' {name}; echo ready; {wait}"
    with running(script) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        child.send_signal(number)
        assert child.stdout.read() == "got\n"
        assert child.wait(20) == 0


@pytest.mark.parametrize("victim", ["outside", "program"])
def test_nothing_outlives_the_program(victim: str) -> None:
    """What it has started ends with it, and all of it with the process that the supervisor may kill."""
    with running(f"sleep 77.{os.getpid()} & echo ready; wait") as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        # The shell goes on before its child is the other program.
        (sleeper,) = next(found for _ in until(10) if (found := find(f"77.{os.getpid()}")))
        parent = int(Path(f"/proc/{sleeper}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill({"outside": child.pid, "program": parent}[victim], signal.SIGKILL)

        assert any(not find(f"77.{os.getpid()}") for _ in until(10))
        assert child.wait(20) == -signal.SIGKILL


def find(word: str) -> list[int]:
    """Return the processes with a word as their last argument."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = file.read_bytes().split(b"\0")
        except OSError:
            continue
        if words[-2:-1] == [word.encode()]:
            found.append(int(file.parent.name))
    return found


def test_refusal_is_told_from_the_programs_end() -> None:
    """As in a container that allows no other /proc; the program is then started without the namespace."""
    code = (
        "import namespace\n"
        "def settle(): raise PermissionError('no')\n"
        "try: namespace.run(settle, lambda: None)\n"
        "except namespace.RefusedError: print('refused')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": PATHS}, capture_output=True, text=True, check=True, timeout=20
    )

    assert done.stdout == "refused\n"
