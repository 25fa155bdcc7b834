"""Redis of a target: its password and its readiness, asked for by inline commands of the Redis protocol (RESP)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from estiba.deploy.host.environment import REDIS_PASSWORD
from estiba.deploy.host.state import users
from estiba.deploy.host.supervise.program import REDIS_SETTINGS
from estiba.endpoint import dial

if TYPE_CHECKING:
    from estiba.deploy.host.state.folder import StateFolder

_SOCKET: Final = "run/redis/redis.sock"
_ANSWER_LIMIT: Final = 2.0


def is_ready(folder: StateFolder, *, is_secured: bool) -> bool:
    """Return whether Redis answers PING, which it does once its data is loaded.

    Args:
        folder: State folder of the target.
        is_secured: Whether Redis asks for the password.
    """
    question, answer = b"PING\r\n", b"+PONG\r\n"
    if is_secured:
        question, answer = f"AUTH {folder.secret(REDIS_PASSWORD)}\r\n".encode() + question, b"+OK\r\n" + answer
    try:
        with dial(folder.path / _SOCKET, timeout=_ANSWER_LIMIT) as connection:
            connection.sendall(question)
            received = b""
            while answer.startswith(received) and (more := connection.recv(len(answer) - len(received))):
                received += more
            return received == answer
    except OSError:
        return False


def write_password(folder: StateFolder) -> None:
    """Write the password to a configuration file that Redis reads; arguments of a process are visible to all users."""
    file = folder.path / "settings" / "redis" / REDIS_SETTINGS
    folder.write_text(file, f"requirepass {folder.secret(REDIS_PASSWORD)}\n", mode=0o640, group=users.REDIS)
