from __future__ import annotations

import socket
import stat
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from estiba.deploy.host.servers import databases
from estiba.deploy.host.state.folder import StateFolder
from estiba.errors import TargetError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

READY = b"Z\0\0\0\5I"
# Written after the description of PostgreSQL's protocol, with the fields that matter.
FULL = b"E\0\0\0\x73SFATAL\0VFATAL\0C53300\0Msorry, too many clients already\0Fproc.c\0L345\0RInitProcess\0\0"
UNKNOWN = b'E\0\0\0\x73SERROR\0VERROR\0C0A000\0Mextension "nope" is not available\0Fextension.c\0\0'
KNOWN = b'N\0\0\0\x73SNOTICE\0VNOTICE\0C42710\0Mextension "bloom" already exists, skipping\0\0'


@contextmanager
def answering(folder: Path, answer: bytes, name: str = "run/postgresql/.s.PGSQL.5432") -> Iterator[StateFolder]:
    """Be a server that answers everybody the same, and return the folder that it is in."""
    target = StateFolder.at(folder)
    target.prepare()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / name))
        listener.listen()

        def answer_one() -> None:
            with listener.accept()[0] as connection:
                connection.recv(4096)
                connection.sendall(answer)

        thread = threading.Thread(target=answer_one)
        thread.start()
        yield target
        thread.join()


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder whose path is short enough for a socket."""
    return tmp_path_factory.mktemp("t")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        pytest.param(FULL, "sorry, too many clients already", id="refused"),
        pytest.param(READY + UNKNOWN + READY, 'extension "nope" is not available', id="unknown"),
        pytest.param(READY, "PostgreSQL ended the connection", id="gone"),
    ],
)
def test_extension_that_was_not_created_is_an_error(place: Path, answer: bytes, reason: str) -> None:
    """Whatever the reason: the migrations would fail without it."""
    with answering(place, answer) as folder, pytest.raises(TargetError) as caught:
        databases.extend(folder, ["bloom"])

    assert caught.value.message == f"the extension bloom cannot be created: {reason}"


def test_extension_that_is_there_is_no_error(place: Path) -> None:
    """PostgreSQL only says so."""
    with answering(place, READY + KNOWN + b"C\0\0\0\x15CREATE EXTENSION\0" + READY) as folder:
        databases.extend(folder, ["bloom"])


@pytest.mark.parametrize(
    ("answer", "is_secured", "expected"),
    [
        pytest.param(b"+PONG\r\n", False, True, id="open"),
        pytest.param(b"-NOAUTH Authentication required.\r\n", False, False, id="secured-since"),
        pytest.param(b"+OK\r\n+PONG\r\n", True, True, id="secured"),
        pytest.param(b"+OK\r\n-LOADING Redis is loading the dataset in memory\r\n", True, False, id="loading"),
        pytest.param(b"-WRONGPASS invalid username-password pair\r\n", True, False, id="of-another"),
    ],
)
def test_redis_answers_once_its_data_is_there(place: Path, answer: bytes, *, is_secured: bool, expected: bool) -> None:
    """With a password it tells the way there from being there, too."""
    with answering(place, answer, "run/redis/redis.sock") as folder:
        assert databases.answers_redis(folder, is_secured=is_secured) is expected


def test_password_of_redis_is_in_a_file_of_its_own(tmp_path: Path) -> None:
    """Nobody else can read it, and it stays the same."""
    folder = StateFolder.at(tmp_path)
    folder.prepare()
    databases.secure_redis(folder)
    file = tmp_path / "run/redis/redis.conf"

    assert file.read_text() == f"requirepass {folder.secret('REDIS_PASSWORD')}\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
