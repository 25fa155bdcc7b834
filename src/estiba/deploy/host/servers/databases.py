"""PostgreSQL and Redis of a target: their data, and whether they answer."""

from __future__ import annotations

import contextlib
import functools
import re
import shutil
from typing import TYPE_CHECKING, Final

from estiba.deploy.host.environment import REDIS_PASSWORD
from estiba.deploy.host.supervise import oneshot
from estiba.deploy.host.supervise.program import POSTGRESQL_DATA, REDIS_SETTINGS
from estiba.endpoint import dial
from estiba.errors import DeployError, TargetError
from estiba.service.variables import DATABASE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from estiba.deploy.host.closure import HostClosure
    from estiba.deploy.host.state.folder import StateFolder
    from estiba.deploy.host.supervise.program import Programs

_SUPERUSER: Final = "postgres"
_SQL: Final = f"CREATE ROLE {DATABASE} LOGIN;\n\nCREATE DATABASE {DATABASE} OWNER {DATABASE};\n\n"
_INITDB: Final = ("--auth=trust", "--data-checksums", "--encoding=UTF8", "--locale=C.UTF-8", "--no-instructions")
_LIMIT: Final = 120.0
_POSTGRESQL_SOCKET: Final = "run/postgresql/.s.PGSQL.5432"
_PROTOCOL: Final = (3 << 16).to_bytes(4, "big")
_ERROR: Final = re.compile(rb"S(?:ERROR|FATAL|PANIC)\0.*?\0M([^\0]*)\0", re.DOTALL)
_READY: Final = b"Z\0\0\0\5I"
_READY_TIMES: Final = 2


def check(folder: StateFolder, closure: HostClosure) -> None:
    """Refuse data that the release's PostgreSQL cannot read.

    Raises:
        TargetError: It was written by another major version.
    """
    file = folder.path / "data" / "postgresql" / "PG_VERSION"
    found = file.read_text().strip() if file.exists() else closure.postgresql
    if found != closure.postgresql:
        msg = (
            f"{file.parent} holds data of PostgreSQL {found}, and this release brings PostgreSQL {closure.postgresql}, "
            "which cannot read it; nothing was touched"
        )
        hint = f"go back to the Python version that brings PostgreSQL {found}, dump there, and restore in a new folder"
        raise TargetError(msg, hint=hint)


def initialise(folder: StateFolder, programs: Programs) -> None:
    """Make the database unless it exists; it is there as a whole or not at all.

    Raises:
        DeployError: PostgreSQL's own tools failed.
    """
    data = folder.path / "data" / "postgresql"
    if data.exists():
        return
    made = data.with_name("postgresql.new")
    shutil.rmtree(made, ignore_errors=True)
    folder.own(made)
    steps = (
        ([f"{programs.bin}/initdb", "--pgdata", POSTGRESQL_DATA, "--username", _SUPERUSER, *_INITDB], ""),
        ([f"{programs.bin}/postgres", "--single", "-j", "-D", POSTGRESQL_DATA, _SUPERUSER], _SQL),
    )
    inside = str(made.relative_to(folder.path))
    for argv, stdin in steps:
        describe = functools.partial(programs.tool, argv=argv, data=inside)
        ran = oneshot.run(folder, programs.closure, "initdb", describe, limit=_LIMIT, stdin=stdin)
        if not ran.has_passed or "ERROR" in ran.output:
            msg = f"the database cannot be made:\n{ran.tail()}"
            raise DeployError(msg)
    made.rename(data)


def answers_postgresql(folder: StateFolder) -> bool:
    """Tell whether PostgreSQL lets the service in; one that starts up or recovers does not yet."""
    return _ask(folder, _POSTGRESQL_SOCKET, _greet(DATABASE, DATABASE), b"R")


def checkpoint(folder: StateFolder) -> None:
    """Have PostgreSQL write what it has to before it can end, so that its end takes no time, unless that fails."""
    with contextlib.suppress(OSError):
        _order(folder, _SUPERUSER, "CHECKPOINT")


def extend(folder: StateFolder, names: Sequence[str]) -> None:
    """Create extensions that the service's own user may not create.

    Args:
        folder: The target's.
        names: The extensions.

    Raises:
        TargetError: PostgreSQL has no such extension, or does not answer.
    """
    for name in names:
        try:
            answer = _order(folder, DATABASE, f'CREATE EXTENSION IF NOT EXISTS "{name}"')
        except OSError as error:
            msg = f"the extension {name} cannot be created: {error}"
            raise TargetError(msg, hint="invoke logs --process postgresql") from error
        if found := _ERROR.search(answer):
            msg = f"the extension {name} cannot be created: {found[1].decode(errors='replace')}"
            hint = (
                "name only extensions that Debian's package of PostgreSQL brings in extensions of the target's settings"
            )
            raise TargetError(msg, hint=hint)


def answers_redis(folder: StateFolder, *, is_secured: bool) -> bool:
    """Tell whether Redis answers, its data loaded; where it has a password, by that."""
    question, answer = b"PING\r\n", b"+PONG\r\n"
    if is_secured:
        question, answer = f"AUTH {folder.secret(REDIS_PASSWORD)}\r\n".encode() + question, b"+OK\r\n" + answer
    return _ask(folder, "run/redis/redis.sock", question, answer)


def secure_redis(folder: StateFolder) -> None:
    """Write down the password that Redis is to ask for."""
    folder.write_text(folder.path / "run" / "redis" / REDIS_SETTINGS, f"requirepass {folder.secret(REDIS_PASSWORD)}\n")


def _order(folder: StateFolder, name: str, statement: str) -> bytes:
    """Have PostgreSQL do something in a database as its superuser, and return all that it answers.

    Raises:
        OSError: It is not there, or goes without an answer.
    """
    with dial(folder.path / _POSTGRESQL_SOCKET, timeout=_LIMIT) as connection:
        connection.sendall(_greet(_SUPERUSER, name) + _pack(f"{statement}\0".encode(), kind=b"Q"))
        received = b""
        # It says twice that it is ready for a question: after the greeting, and after the answer.
        while received.count(_READY) < _READY_TIMES and (more := connection.recv(4096)):
            received += more
    if received.count(_READY) < _READY_TIMES and not _ERROR.search(received):
        msg = "PostgreSQL ended the connection"
        raise ConnectionError(msg)
    return received


def _greet(user: str, name: str) -> bytes:
    words = (b"user", user.encode(), b"database", name.encode())
    return _pack(_PROTOCOL + b"".join(word + b"\0" for word in words) + b"\0")


def _pack(content: bytes, kind: bytes = b"") -> bytes:
    """Return a message of PostgreSQL's protocol."""
    return kind + (len(content) + 4).to_bytes(4, "big") + content


def _ask(folder: StateFolder, socket: str, message: bytes, answer: bytes) -> bool:
    try:
        with dial(folder.path / socket, timeout=2) as connection:
            connection.sendall(message)
            received = b""
            while answer.startswith(received) and (more := connection.recv(len(answer) - len(received))):
                received += more
            return received == answer
    except OSError:
        return False
