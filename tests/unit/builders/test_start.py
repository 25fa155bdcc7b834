from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import root
import start
from estiba.deploy.host.servers import lifecycle, ports
from estiba.deploy.host.supervise import observation
from estiba.deploy.host.supervise.runit import until

if TYPE_CHECKING:
    from collections.abc import Iterator


PATHS = f"{Path(start.__file__).parent}:{Path(root.__file__).parent}"


def test_what_is_started_is_written_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever changes the program later can see what still runs."""
    monkeypatch.chdir(tmp_path)

    start.note_start('{"argv": ["/bin/true"]}')

    assert json.loads((tmp_path / "started.json").read_text()) == {"argv": ["/bin/true"]}


def test_what_cannot_be_written_down_is_not_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program starts on a full disk too, and an earlier note does not stand for it."""
    monkeypatch.chdir(tmp_path)
    start.note_start("earlier")
    (tmp_path / "started.json.new").mkdir()

    start.note_start("later")

    assert not (tmp_path / "started.json").exists()


@contextlib.contextmanager
def holding(folder: Path, *addresses: tuple[str, int]) -> Iterator[subprocess.Popen[str]]:
    """Run a program that holds sockets, in a folder of its own."""
    code = f"import start, pathlib; start.start({{'listen': {list(addresses)}}}, pathlib.Path())"
    env = {"PYTHONPATH": PATHS}
    argv = [sys.executable, "-c", code]
    with subprocess.Popen(argv, env=env, cwd=folder, stderr=subprocess.PIPE, text=True) as holder:
        yield holder
        holder.kill()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def test_who_connects_while_nobody_accepts_is_served_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection waits in the queue of the held socket, for whichever program inherits it next."""
    monkeypatch.chdir(tmp_path)
    port = free_port()
    with holding(tmp_path, ("127.0.0.1", port)):
        assert any(start.receive_sockets(Path(start.HANDOVER)) for _ in until(10))
        with socket.create_connection(("127.0.0.1", port)) as visitor:
            (number,) = start.receive_sockets(Path(start.HANDOVER))
            with socket.socket(fileno=number) as received:
                assert received.get_inheritable()
                assert not os.get_blocking(received.fileno())
                with received.accept()[0] as accepted:
                    accepted.sendall(b"here")
            assert visitor.recv(9) == b"here"


def test_every_address_has_a_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A front has two ports of each address that a service names."""
    monkeypatch.chdir(tmp_path)
    port = free_port()
    with holding(tmp_path, *((f"127.0.0.{number}", port) for number in range(1, 41))):
        numbers = next(found for _ in until(10) if (found := start.receive_sockets(Path(start.HANDOVER))))
        for number in numbers:
            os.close(number)

    assert len(numbers) == 40


def test_holder_starts_again_where_one_was_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The socket file of the one before is not in its way."""
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        with holding(tmp_path, ("127.0.0.1", free_port())):
            assert any(start.receive_sockets(Path(start.HANDOVER)) for _ in until(10))


@pytest.mark.skipif(not ports.has_ipv6(), reason="this machine has no IPv6")
def test_both_kinds_of_addresses_have_a_socket_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the one of IPv6 would take the port of IPv4 as well, and an address would look like none of IPv4."""
    monkeypatch.chdir(tmp_path)
    port = free_port()
    with holding(tmp_path, ("0.0.0.0", port), ("::", port)):  # noqa: S104 - nothing is accepted
        assert any(start.receive_sockets(Path(start.HANDOVER)) for _ in until(10))
        numbers = start.receive_sockets(Path(start.HANDOVER))
        names = []
        for number in numbers:
            with socket.socket(fileno=number) as received:
                names.append(received.getsockname()[0])

    assert names == ["0.0.0.0", "::"]  # noqa: S104 - compared


def test_port_that_is_taken_is_named(tmp_path: Path) -> None:
    """It ends and says why, for the log."""
    with socket.create_server(("127.0.0.1", 0)) as taken, holding(tmp_path, taken.getsockname()) as holder:
        assert holder.wait(10) == 1
        assert holder.stderr is not None
        assert (
            holder.stderr.read()
            == f"cannot listen on 127.0.0.1 port {taken.getsockname()[1]}: Address already in use\n"
        )


def test_holder_that_comes_up_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A supervisor starts both at once, and whoever binds the sockets first keeps the other from them."""
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(start.HANDOVER)

    with holding(tmp_path, ("127.0.0.1", free_port())):
        assert start.receive_sockets(Path(start.HANDOVER)) != []


def test_workers_that_a_killed_program_has_left_are_found(tmp_path: Path) -> None:
    """Of its process group only the processes without a parent; they would go on accepting."""
    script = "import subprocess, sys; subprocess.Popen(['sleep', '60'], start_new_session=False)"
    code = f"import subprocess, sys, time; subprocess.run([sys.executable, '-c', {script!r}]); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], start_new_session=True) as leader:
        try:
            found = next(one for _ in until(10) if (one := start.find_orphans(leader.pid)))
            names = [Path(f"/proc/{process}/comm").read_text() for process in found]
        finally:
            os.killpg(leader.pid, signal.SIGKILL)

    assert names == ["sleep\n"]


def test_sockets_that_nobody_holds_any_more_are_not_waited_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A holder that was killed leaves its file behind, and the program listens by itself."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(start, "_HANDOVER_LIMIT", 0.2)
    assert start.receive_sockets(Path(start.HANDOVER)) == []

    with socket.socket(socket.AF_UNIX) as holder:
        holder.bind(start.HANDOVER)

    assert start.receive_sockets(Path(start.HANDOVER)) == []


def test_program_ends_with_the_process_that_started_it() -> None:
    """Also where that one was gone before it could be watched: nothing runs for nobody."""
    code = "import sys, start; start.bind_to(int(sys.argv[1])); print('runs')"
    env = {"PYTHONPATH": PATHS}
    ended = [
        subprocess.run([sys.executable, "-c", code, str(parent)], env=env, capture_output=True, text=True, check=False)
        for parent in (os.getpid(), 2**22 + 1)
    ]

    assert [(one.returncode, one.stdout) for one in ended] == [(0, "runs\n"), (-signal.SIGTERM, "")]


def test_ends_are_kept_for_who_counts_restarts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was asked for is marked, damaged notes are replaced, and the oldest ones go."""
    monkeypatch.chdir(tmp_path)
    Path(start.ENDS).write_text("[")
    start.note_end(["111", "256"])
    Path("down").touch()
    for _ in range(start._ENDS):
        start.note_end(["-1", "9"])

    ends = json.loads(Path(start.ENDS).read_text())["ends"]
    assert len(ends) == start._ENDS
    assert {(end["code"], end["signal"], end["wanted"]) for end in ends} == {(-1, 9, False)}
    Path("down").unlink()
    start.note_end(["-1", "11"])
    assert json.loads(Path(start.ENDS).read_text())["ends"][-1]["wanted"]


def test_program_waits_for_whoever_holds_it(tmp_path: Path) -> None:
    """A worker does not start while its database is replaced, and does when the replacing command was killed."""
    (tmp_path / start.HOLD).touch()
    code = f"import start, pathlib; start.wait_for_release(pathlib.Path({start.HOLD!r})); print('runs')"
    hold = f"import fcntl, time; f = open({start.HOLD!r}); fcntl.flock(f, fcntl.LOCK_EX); print('held', flush=True)"
    held = [sys.executable, "-c", f"{hold}; time.sleep(60)"]
    with subprocess.Popen(held, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        argv = [sys.executable, "-c", code]
        with subprocess.Popen(argv, env={"PYTHONPATH": PATHS}, cwd=tmp_path, stdout=subprocess.PIPE) as waiting:
            with pytest.raises(subprocess.TimeoutExpired):
                waiting.wait(1)
            holder.kill()
            assert waiting.communicate(timeout=20)[0] == b"runs\n"


def test_both_sides_agree_on_names() -> None:
    """A starter and the library are run by two interpreters, and share the names of files alone."""
    assert lifecycle._HANDOVER == start.HANDOVER
    assert lifecycle._HOLD == start.HOLD
    assert observation._ENDS == start.ENDS


def test_folder_of_data_begins_with_the_services_own_files(tmp_path: Path) -> None:
    """What is there stays, also a link that leads nowhere; what lacks is copied."""
    seeds, folder = tmp_path / "seeds", tmp_path / "data"
    (seeds / "below").mkdir(parents=True)
    for name in ("first", "below/second", "link"):
        (seeds / name).write_text("new")
    folder.mkdir()
    (folder / "first").write_text("old")
    (folder / "link").symlink_to(tmp_path / "elsewhere")

    start.sow(seeds, folder)

    assert {name: (folder / name).read_text() for name in ("first", "below/second")} == {
        "first": "old",
        "below/second": "new",
    }
    assert not (tmp_path / "elsewhere").exists()


def test_root_that_cannot_be_put_together_is_told_in_one_line(tmp_path: Path) -> None:
    """The exit code says that no program has run."""
    (tmp_path / "tree").mkdir()
    place = {"tree": str(tmp_path / "tree"), "binds": {"/x": "missing"}, "links": {}, "cwd": "/"}
    program = {**place, "argv": [], "env": {}}
    (tmp_path / "program.json").write_text(json.dumps(program))
    done = subprocess.run(
        [sys.executable, "-SB", start.__file__, "run"],
        cwd=tmp_path,
        env={"PYTHONPATH": PATHS},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == start.EX_OSERR
    assert "\nthe release's root file system cannot be put together: " in f"\n{done.stderr}"
    assert "Traceback" not in done.stderr
