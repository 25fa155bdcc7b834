from __future__ import annotations

import socket
import stat
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from estiba.deploy.host.servers import redis
from estiba.deploy.host.state.folder import StateFolder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def answering(folder: Path, answer: bytes, name: str = "run/redis/redis.sock") -> Iterator[StateFolder]:
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
    with answering(place, answer) as folder:
        assert redis.is_ready(folder, is_secured=is_secured) is expected


def test_password_of_redis_is_in_a_file_of_its_own(tmp_path: Path) -> None:
    """Nobody else but Redis can read it, and it stays the same."""
    folder = StateFolder.at(tmp_path)
    folder.prepare()
    redis.write_password(folder)
    file = tmp_path / "settings/redis/redis.conf"

    assert file.read_text() == f"requirepass {folder.secret('REDIS_PASSWORD')}\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert stat.S_IMODE(file.parent.stat().st_mode) & 0o007 == 0
