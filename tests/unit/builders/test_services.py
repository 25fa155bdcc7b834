from __future__ import annotations

import socket
import sys
import threading
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pytest
from tests.launcher import Here

import services
from services import Service, ServiceError, choose_port, environment, running

if TYPE_CHECKING:
    from collections.abc import Iterator

LISTEN = (
    "import socket, sys; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); print('up', flush=True); s.accept()"
)


def python(code: str, *arguments: object) -> list[str]:
    """Return the command that runs some Python."""
    return [sys.executable, "-c", code, *map(str, arguments)]


def is_open(port: int) -> bool:
    """Tell whether something listens."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_running_starts_and_stops(tmp_path: Path) -> None:
    """A service runs inside the block, after its preparation, and no longer afterwards."""
    port = choose_port(0)
    log = tmp_path / "echo.log"
    service = Service(
        name="echo",
        argv=python(LISTEN, port),
        is_ready=lambda: "up" in log.read_text(),
        setup=[python("print('prepared')")],
        finish=[python("print('finished')")],
    )

    with running(Here(), [service], tmp_path) as (child,):
        assert child.poll() is None
        assert log.read_text().split() == ["prepared", "up", "finished"]
        assert is_open(port)

    assert not is_open(port)


@pytest.mark.parametrize(
    ("service", "message"),
    [
        pytest.param(
            Service(name="it", argv=python("print('no disk'); raise SystemExit(3)"), is_ready=lambda: False),
            "it did not start: it exited with 3\nno disk",
            id="exits",
        ),
        pytest.param(
            Service(name="it", argv=python("import time; time.sleep(60)"), is_ready=lambda: False),
            "it did not start: it does not answer after 0.3 seconds",
            id="hangs",
        ),
        pytest.param(
            Service(name="it", argv=["never"], is_ready=lambda: True, setup=[python("raise SystemExit('no rights')")]),
            f"it did not start: {Path(sys.executable).name} exited with 1\nno rights",
            id="preparation",
        ),
    ],
)
def test_a_service_that_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, service: Service, message: str
) -> None:
    """The error says how it ended and what it printed last."""
    monkeypatch.setattr(services, "LIMIT", 0.3)

    with pytest.raises(ServiceError) as raised, running(Here(), [service], tmp_path):
        pytest.fail("it started")

    assert str(raised.value) == message


def test_the_others_are_stopped_when_one_does_not_start(tmp_path: Path) -> None:
    """Nothing is left behind."""
    port = choose_port(0)
    first = Service(name="first", argv=python(LISTEN, port), is_ready=lambda: is_open(port))
    second = Service(name="second", argv=python("raise SystemExit(1)"), is_ready=lambda: False)

    with pytest.raises(ServiceError, match="second did not start"), running(Here(), [first, second], tmp_path):
        pytest.fail("it started")

    assert not is_open(port)


def test_choose_port_avoids_a_taken_one() -> None:
    """Without a network of its own, a build takes another port than its neighbour."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        usual = taken.getsockname()[1]

        assert choose_port(usual) != usual


@pytest.fixture
def answering() -> Iterator[int]:
    """Answer one PING as Redis does, and return the port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                assert connection.recv(16) == b"PING\r\n"
                connection.sendall(b"+PONG\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


def test_redis_is_ready_when_it_answers(answering: int) -> None:
    """An open port is not enough."""
    assert services.redis(answering).is_ready()


def test_redis_is_not_ready_while_nothing_listens() -> None:
    """A refused connection means to wait."""
    assert not services.redis(choose_port(0)).is_ready()


def test_postgresql_is_prepared_and_asked() -> None:
    """A data folder is made before, a database after, and readiness is what pg_isready says."""
    asked: list[list[str]] = []

    class Asked(Here):
        def run(
            self, argv: list[str], *, cwd: str = "/", env: dict[str, str] | None = None, output: IO[bytes] | None = None
        ) -> int:
            del cwd, env, output
            asked.append(argv)
            return 2

    service = services.postgresql(Asked(), Path("/pg"), 5433)

    assert not service.is_ready()
    assert asked == [["/pg/pg_isready", "--quiet", "--host", "127.0.0.1", "--port", "5433", "--username", "app"]]
    assert [argv[0] for argv in (*service.setup, service.argv, *service.finish)] == [
        "/pg/initdb",
        "/pg/postgres",
        "/pg/createdb",
    ]
    assert "port=5433" in service.argv


def test_environment_in_the_common_spellings() -> None:
    """Settings find the services by URL, by libpq's variables, or by those of the official images."""
    env = environment(5433, 6380)

    assert env["DATABASE_URL"] == "postgresql://app:app@127.0.0.1:5433/app"
    assert env["REDIS_URL"] == "redis://127.0.0.1:6380/0"
    assert {env[name] for name in ("PGPORT", "POSTGRES_PORT", "DB_PORT")} == {"5433"}
    assert {env[name] for name in ("PGDATABASE", "POSTGRES_DB", "DB_NAME", "PGUSER")} == {"app"}


def test_extensions_are_loaded_at_the_start(tmp_path: Path) -> None:
    """Those that PostgreSQL has to load are, and none of them asks its makers for news."""
    libraries = tmp_path / "usr/lib/postgresql/17/lib"
    libraries.mkdir(parents=True)
    for name in ("vector.so", "timescaledb.so", "timescaledb-2.19.so"):
        (libraries / name).touch()
    settings = services.list_settings(tmp_path)
    assert settings == {"shared_preload_libraries": "timescaledb", "timescaledb.telemetry_level": "off"}
    assert "shared_preload_libraries=timescaledb" in services.postgresql(Here(), Path("/pg"), 5433, settings).argv

    (libraries / "timescaledb.so").unlink()
    assert services.list_settings(tmp_path) == {}
