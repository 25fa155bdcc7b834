"""PostgreSQL and Redis for the time of a build: started from a root's own programs, waited for, and stopped."""

import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import IO, Protocol

LIMIT = 30.0
"""Seconds that a service may take to start."""

_USER = "app"
_DATA = "/tmp/postgresql"  # noqa: S108 - inside a root of our own
_HOST = "127.0.0.1"
_TAIL = 20
_NONE: Mapping[str, str] = MappingProxyType({})
_PRELOADED = ("citus", "pg_cron", "pg_squeeze", "pgaudit", "timescaledb")
"""Extensions that PostgreSQL has to load when it starts."""


class ServiceError(Exception):
    """A service did not start; the message ends with the last lines of its log."""


class Launcher(Protocol):
    """Starts programs, as `root.Root` does."""

    def popen(
        self, argv: list[str], *, cwd: str = "/", env: dict[str, str] | None = None, output: IO[bytes] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a program."""
        ...

    def run(
        self, argv: list[str], *, cwd: str = "/", env: dict[str, str] | None = None, output: IO[bytes] | None = None
    ) -> int:
        """Run a program to its end."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A program that others connect to.

    Attributes:
        name: Names the log file, too.
        argv: The program, staying in the foreground.
        is_ready: Tells whether it answers; called again and again while it starts.
        setup: Commands to run before it starts.
        finish: Commands to run once it answers.
    """

    name: str
    argv: list[str]
    is_ready: Callable[[], bool]
    setup: list[list[str]] = field(default_factory=list)
    finish: list[list[str]] = field(default_factory=list)


def list_settings(tree: Path) -> dict[str, str]:
    """Return what a root's extensions want PostgreSQL to be started with.

    Args:
        tree: A root with PostgreSQL.
    """
    present = {path.stem for path in tree.glob("usr/lib/postgresql/*/lib/*.so")}
    preloaded = [name for name in _PRELOADED if name in present]
    # It would ask a server of its makers for news.
    quiet = {"timescaledb.telemetry_level": "off"} if "timescaledb" in preloaded else {}
    return {"shared_preload_libraries": ",".join(preloaded), **quiet} if preloaded else {}


def postgresql(launcher: Launcher, programs: Path, port: int, more: Mapping[str, str] = _NONE) -> Service:
    """Return a PostgreSQL server with one superuser and a database of his name, as fast as a throw-away one can be.

    Args:
        launcher: Asks whether it is ready.
        programs: The folder of `postgres` and `initdb` in the root.
        port: To listen on.
        more: Further settings, see `list_settings`.
    """
    at = ["--host", _HOST, "--port", str(port), "--username", _USER]
    settings = {
        "port": port,
        "listen_addresses": _HOST,
        "unix_socket_directories": "/tmp",  # noqa: S108 - inside a root of our own
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
        # Needs LLVM, a third of all the packages, and would only be used for long queries.
        "jit": "off",
        "max_connections": 200,
        **more,
    }
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    initdb = ["--pgdata", _DATA, "--username", _USER, "--auth", "trust", "--encoding", "UTF8", "--locale", "C.UTF-8"]
    return Service(
        name="postgresql",
        argv=[str(programs / "postgres"), "-D", _DATA, *options],
        is_ready=lambda: launcher.run([str(programs / "pg_isready"), "--quiet", *at]) == 0,
        setup=[[str(programs / "initdb"), *initdb, "--no-sync", "--no-instructions"]],
        finish=[[str(programs / "createdb"), *at, _USER]],
    )


def redis(port: int) -> Service:
    """Return a Redis server that keeps nothing on disk."""
    options = {"port": str(port), "bind": _HOST, "save": "", "appendonly": "no", "dir": "/tmp"}  # noqa: S108 - as above
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    return Service(name="redis", argv=["/usr/bin/redis-server", *words], is_ready=lambda: _answers_ping(port))


def environment(postgresql_port: int, redis_port: int) -> dict[str, str]:
    """Return the variables that tell programs where the services are, in the spellings that are common."""
    database = {"HOST": _HOST, "PORT": str(postgresql_port), "USER": _USER, "PASSWORD": _USER}
    return {
        **{f"{prefix}{name}": value for prefix in ("PG", "POSTGRES_", "DB_") for name, value in database.items()},
        "PGDATABASE": _USER,
        "POSTGRES_DB": _USER,
        "DB_NAME": _USER,
        "DATABASE_URL": f"postgresql://{_USER}:{_USER}@{_HOST}:{postgresql_port}/{_USER}",
        "REDIS_HOST": _HOST,
        "REDIS_PORT": str(redis_port),
        "REDIS_URL": f"redis://{_HOST}:{redis_port}/0",
    }


def choose_port(usual: int) -> int:
    """Return a service's usual port, or any free one where a build without a network of its own finds it taken."""
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, usual))
        except OSError:
            probe.bind((_HOST, 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(launcher: Launcher, services: list[Service], logs: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Start services beside one another, wait until all answer, yield their processes, and stop them at the end.

    Args:
        launcher: Starts the programs.
        services: What to start.
        logs: A folder for one log per service.

    Raises:
        ServiceError: One of them did not start.
    """
    children: list[subprocess.Popen[bytes]] = []
    try:
        children.extend(_start(launcher, service, logs) for service in services)
        for service, child in zip(services, children, strict=True):
            _await(service, child, logs)
            for argv in service.finish:
                _run(launcher, service, argv, logs)
        yield children
    finally:
        for child in children:
            _stop(child)


def _start(launcher: Launcher, service: Service, logs: Path) -> subprocess.Popen[bytes]:
    for argv in service.setup:
        _run(launcher, service, argv, logs)
    with _log(service, logs).open("ab") as output:
        return launcher.popen(service.argv, cwd="/tmp", output=output)  # noqa: S108 - inside a root of our own


def _run(launcher: Launcher, service: Service, argv: list[str], logs: Path) -> None:
    with _log(service, logs).open("ab") as output:
        code = launcher.run(argv, cwd="/tmp", output=output)  # noqa: S108 - inside a root of our own
    if code != 0:
        raise ServiceError(_explain(service, f"{Path(argv[0]).name} exited with {code}", logs))


def _await(service: Service, child: subprocess.Popen[bytes], logs: Path) -> None:
    deadline = time.monotonic() + LIMIT
    while not service.is_ready():
        if (code := child.poll()) is not None:
            raise ServiceError(_explain(service, f"it exited with {code}", logs))
        if time.monotonic() >= deadline:
            raise ServiceError(_explain(service, f"it does not answer after {LIMIT:g} seconds", logs))
        time.sleep(0.02)


def _stop(child: subprocess.Popen[bytes]) -> None:
    # PostgreSQL waits for its clients after SIGTERM; SIGINT is the fast way for both.
    child.send_signal(signal.SIGINT)
    try:
        child.wait(5)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _explain(service: Service, problem: str, logs: Path) -> str:
    lines = _log(service, logs).read_text(errors="replace").splitlines()
    return "\n".join([f"{service.name} did not start: {problem}", *lines[-_TAIL:]])


def _log(service: Service, logs: Path) -> Path:
    return logs / f"{service.name}.log"


def _answers_ping(port: int) -> bool:
    try:
        with socket.create_connection((_HOST, port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False
