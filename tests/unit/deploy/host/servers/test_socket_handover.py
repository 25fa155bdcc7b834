from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from estiba.deploy.host.servers import socket_handover
from estiba.deploy.host.state.folder import StateFolder
from estiba.deploy.host.supervise.runit import until
from estiba.process import spawn

if TYPE_CHECKING:
    from collections.abc import Iterator

LISTEN = """
import socket, time
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
time.sleep(60)
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a service's folder whose path is longer than the kernel takes for a socket."""
    long = tmp_path / ("x" * 100)
    StateFolder.at(tmp_path).own(long)
    return long


@contextlib.contextmanager
def listening(output: Path) -> Iterator[tuple[int, int]]:
    """Run a process that listens, and return its number and its port."""
    pid = spawn([sys.executable, "-c", LISTEN], env={}, cwd=output.parent, output=output)
    try:
        assert any(output.read_text().endswith("\n") for _ in until(10))
        yield pid, int(output.read_text())
    finally:
        end(pid)


def end(pid: int) -> None:
    """End a process, and wait until it has closed what it had open."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    assert any(not Path(f"/proc/{pid}").exists() for _ in until(10))


def receive(path: Path) -> list[socket.socket]:
    """Take what is held, as the starter does."""
    with socket.socket(socket.AF_UNIX) as connection:
        opened = os.open(path.parent, os.O_PATH)
        connection.connect(f"/proc/self/fd/{opened}/{path.name}")
        os.close(opened)
        return [socket.socket(fileno=file) for file in socket.recv_fds(connection, 1, 16)[1]]


def test_who_connects_between_two_processes_is_served_by_the_second(tmp_path: Path, place: Path) -> None:
    """The connection that nobody was there for is in the queue of the socket that the next one gets."""
    with (
        listening(tmp_path / "said") as (pid, port),
        socket_handover.hold(StateFolder.at(tmp_path), place, pid) as held,
    ):
        assert held
        end(pid)
        with socket.create_connection(("127.0.0.1", port)) as visitor:
            (listener,) = receive(place / socket_handover.NAME)
            with listener, listener.accept()[0] as accepted:
                accepted.sendall(b"here")
            assert visitor.recv(9) == b"here"
        held.release_unless_given(10)
        assert held

    assert not (place / socket_handover.NAME).exists()


def test_port_that_nobody_comes_for_is_let_go(tmp_path: Path, place: Path) -> None:
    """A starter that does not know of handovers has the program bind its port by itself."""
    with (
        listening(tmp_path / "said") as (pid, port),
        socket_handover.hold(StateFolder.at(tmp_path), place, pid) as held,
    ):
        end(pid)
        with pytest.raises(OSError, match="in use"):
            socket.create_server(("127.0.0.1", port))
        held.release_unless_given(0.01)
        socket.create_server(("127.0.0.1", port)).close()


def test_port_that_cannot_be_offered_is_let_go(tmp_path: Path, place: Path) -> None:
    """Whatever keeps the socket from being made, the next process finds its port free."""
    (place / socket_handover.NAME / "in the way").mkdir(parents=True)
    with (
        listening(tmp_path / "said") as (pid, port),
        socket_handover.hold(StateFolder.at(tmp_path), place, pid) as held,
    ):
        assert not held
        end(pid)
        socket.create_server(("127.0.0.1", port)).close()


def test_nothing_is_held_of_a_process_that_is_gone(tmp_path: Path, place: Path) -> None:
    """Then the next one binds a socket of its own."""
    with socket_handover.hold(StateFolder.at(tmp_path), place, 2**22 + 1) as held:
        assert not held
        assert not (place / socket_handover.NAME).exists()


def test_nothing_is_held_of_a_process_that_does_not_listen(tmp_path: Path, place: Path) -> None:
    """There is nothing to be handed over, and nobody is told that there were."""
    pid = spawn([sys.executable, "-c", "input()"], env={}, cwd=tmp_path, output=tmp_path / "said")
    with socket_handover.hold(StateFolder.at(tmp_path), place, pid) as held:
        assert not held
    end(pid)
