from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from estiba_runtime import commands, processes, servers
from estiba_runtime.failure import EX_CONFIG, EX_USAGE, StartError

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVE = [sys.executable, "-P", str(Path(commands.__file__).parents[1] / "serve.py")]
CELERY = [sys.executable, "-P", "-m", "celery"]
ASGI = "config.asgi:application"
ANYWHERE = "0.0.0.0"  # noqa: S104 - compared, not bound


@pytest.fixture
def env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return the environment of a service whose manage.py is not in the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "site" / "config").mkdir(parents=True)
    return {
        "DJANGO_SETTINGS_MODULE": "config.settings.production",
        "ESTIBA_ASGI": ASGI,
        "ESTIBA_WSGI": "config.wsgi:application",
        "PATH": os.environ["PATH"],
        "PORT": "8000",
        "PYTHONPATH": f"{tmp_path / 'site'}:{tmp_path}",
        "WEB_CONCURRENCY": "3",
    }


def build(env: dict[str, str], argv: list[str], **table: object) -> list[str]:
    """Return the command line of a process `main` of a table."""
    process = processes.find("main", {"ESTIBA_PROCESSES": json.dumps({"main": {"command": argv, **table}})})
    return commands.process_command(process.command, process, env)


def test_uvicorn_listens_on_the_port_of_a_container(env: dict[str, str], tmp_path: Path) -> None:
    """The application and all that a container needs are filled in, and what is given stays."""
    assert build(env, ["uvicorn", "--ws", "wsproto"]) == [
        *SERVE, "uvicorn", ASGI, "--ws", "wsproto", "--host", ANYWHERE, "--port", "8000",
        "--timeout-graceful-shutdown", "25", "--no-access-log",
    ]  # fmt: skip
    assert Path.cwd() == tmp_path / "site"
    assert ASGI not in build(env, ["uvicorn", "other.asgi:application"])
    assert build(env, ["uvicorn", "--port=9000"], grace=5)[-5:-1] == [
        "--host", ANYWHERE, "--timeout-graceful-shutdown", "5"
    ]  # fmt: skip


def test_asgi_servers_listen_on_the_socket_of_a_host(env: dict[str, str]) -> None:
    """The one option that a host gives to whatever serves is translated."""
    bind = ["--bind", "unix:/run/web.sock"]

    assert build(env, ["uvicorn", *bind])[5:9] == ["--uds", "/run/web.sock", "--forwarded-allow-ips", "*"]
    assert build(env, ["daphne", *bind]) == [
        *SERVE, "daphne", "-u", "/run/web.sock", "--proxy-headers", "--access-log", os.devnull, ASGI
    ]  # fmt: skip
    assert build(env, ["hypercorn", *bind])[4:] == [
        "--graceful-timeout", "25", "--workers", "3", ASGI, "--bind", "unix:/run/web.sock"
    ]  # fmt: skip


@pytest.mark.parametrize("named", ["shop.wsgi", "shop.wsgi:application", "shop.web:make()"])
def test_application_of_a_procfile_is_the_one_served(env: dict[str, str], named: str) -> None:
    """A module without an attribute is what most Procfiles say; addresses are no modules."""
    assert build(env, ["gunicorn", named, "--log-file", "-"]) == [*SERVE, "gunicorn", named, "--log-file", "-"]
    assert build(env, ["gunicorn", "--statsd-host", "localhost:8125"])[4] == "config.wsgi:application"


def test_concurrency_and_grace_reach_the_server(env: dict[str, str]) -> None:
    """The table's numbers are defaults of the server's own; the operator's variable wins."""
    build(env, ["web"], concurrency=5, grace=9)
    assert env["WEB_CONCURRENCY"] == "3"
    del env["WEB_CONCURRENCY"]
    del env["GUNICORN_CMD_ARGS"]
    build(env, ["web"], concurrency=5, grace=9)
    assert env["WEB_CONCURRENCY"] == "5"
    assert "--graceful-timeout=9" in env["GUNICORN_CMD_ARGS"]


def test_celery_finds_its_application_and_a_place_for_its_schedule(env: dict[str, str], tmp_path: Path) -> None:
    """`celery.py` lies in a package above the settings; the working directory of an image cannot be written to."""
    (tmp_path / "site" / "config" / "celery.py").touch()

    worker = [*CELERY, "-A", "config", "worker", "-Q", "mails", "--concurrency=4"]
    assert build(env, ["celery", "worker", "-Q", "mails"], concurrency=4) == worker
    assert build(env, ["celery", "beat"]) == [*CELERY, "-A", "config", "beat", "--schedule=/tmp/celerybeat-schedule"]
    assert build(env, ["celery", "-A", "shop", "worker", "-B"])[4:] == [
        "-A", "shop", "worker", "-B", "--schedule=/tmp/celerybeat-schedule"
    ]  # fmt: skip


def test_own_programs_run_by_the_table_alone(env: dict[str, str]) -> None:
    """What is not in the table is a mistyped command."""
    assert build(env, ["env", "--version"])[1:] == ["--version"]
    with pytest.raises(StartError, match="unknown command: env") as raised:
        commands.process_command(["env"], processes.find("env", {}), env)
    assert raised.value.code == EX_USAGE
    with pytest.raises(StartError, match="unknown command: no-such-program"):
        build(env, ["no-such-program"])


@pytest.mark.parametrize("text", ["{", "[]", '{"web": 1}', '{"web": {"stop-signal": "SIGWRONG"}}'])
def test_damaged_table_is_an_error(text: str) -> None:
    """The variable is named."""
    with pytest.raises(StartError, match="ESTIBA_PROCESSES is no table of processes") as raised:
        processes.find("web", {"ESTIBA_PROCESSES": text})
    assert raised.value.code == EX_CONFIG


@contextmanager
def started(text: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Start Python as a process that wants SIGINT; yield what stands before it, and its process id."""
    code = (
        "import os, signal, sys; from estiba_runtime import processes;"
        "sys.exit(processes.run_with_signal([sys.executable, '-c', sys.argv[1]], dict(os.environ), signal.SIGINT))"
    )
    env = {"PYTHONPATH": SERVE[2].removesuffix("/serve.py")}
    with subprocess.Popen([sys.executable, "-c", code, text], env=env, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        yield child, int(child.stdout.readline())


def test_process_gets_the_signal_that_it_wants() -> None:
    """SIGTERM becomes that one, and the exit code is passed on."""
    text = (
        "import os, signal, sys; signal.signal(signal.SIGINT, lambda *_: sys.exit(7));"
        "print(os.getpid(), flush=True); signal.pause()"
    )
    with started(text) as (child, _):
        child.terminate()
        assert child.wait(10) == 7


def test_killed_process_leaves_nothing_behind() -> None:
    """What wants another signal ends with whoever passes it on."""
    with started("import os, time; print(os.getpid(), flush=True); time.sleep(60)") as (child, own):
        child.kill()
        child.wait(10)
        end = time.monotonic() + 10
        while Path(f"/proc/{own}").exists() and time.monotonic() < end:
            time.sleep(0.05)
        assert not Path(f"/proc/{own}").exists()


def test_signals_of_other_processes_are_their_own() -> None:
    """Without a table there is no process in between."""
    assert processes.find("web", {}).stop_signal is signal.SIGTERM
    assert set(servers.SERVERS) == {"daphne", "gunicorn", "hypercorn", "uvicorn"}
