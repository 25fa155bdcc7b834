from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import start

if TYPE_CHECKING:
    import pytest


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


def test_sockets_that_are_held_are_inherited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program gets their numbers, and they stay open for it."""
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as holder, socket.create_server(("127.0.0.1", 0)) as held:
        holder.bind(start.HANDOVER)
        holder.listen()

        def give() -> None:
            with holder.accept()[0] as connection:
                socket.send_fds(connection, [b"\0"], [held.fileno()])

        thread = threading.Thread(target=give)
        thread.start()
        number = start.receive_sockets(Path(start.HANDOVER))
        thread.join()
        with socket.socket(fileno=int(number.removesuffix(";"))) as received:
            assert received.getsockname() == held.getsockname()
            assert received.get_inheritable()


def test_sockets_that_nobody_holds_any_more_are_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deployment that was killed leaves its file behind, and the program listens by itself."""
    monkeypatch.chdir(tmp_path)
    assert start.receive_sockets(Path(start.HANDOVER)) == ""

    with socket.socket(socket.AF_UNIX) as holder:
        holder.bind(start.HANDOVER)

    assert start.receive_sockets(Path(start.HANDOVER)) == ""


def test_program_ends_with_the_process_that_started_it() -> None:
    """Also where that one was gone before it could be watched: nothing runs for nobody."""
    code = "import sys, start; start.bind_to(int(sys.argv[1])); print('runs')"
    env = {"PYTHONPATH": str(Path(start.__file__).parent)}
    ended = [
        subprocess.run([sys.executable, "-c", code, str(parent)], env=env, capture_output=True, text=True, check=False)
        for parent in (os.getpid(), 2**22 + 1)
    ]

    assert [(one.returncode, one.stdout) for one in ended] == [(0, "runs\n"), (-signal.SIGTERM, "")]
