"""A service that names its processes: an ASGI server with WebSockets, Celery, and a program of its own."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest
from tests.services import harbour, locking, sites, websocket

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lock the service; its manage.py is not in the top folder."""
    made = locking.prepare(locking.copy("chat", tmp_path_factory.mktemp("chat") / "chat"))
    for command in ("lock", "fetch"):
        harbour.invoke(made, command)
    return made


@pytest.fixture(scope="module")
def port(folder: Path) -> Iterator[int]:
    """Deploy it."""
    with sites.served(folder) as found:
        yield found


def read(port: int, path: str = "/") -> str:
    """Return a page."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
        return str(answer.read().decode())


def logs(folder: Path, service: str) -> str:
    """Return what a service has said."""
    return (folder.parent / "state" / "logs" / service / "current").read_text()


def slot(folder: Path) -> str:
    """Return the slot of the release that is served."""
    report = json.loads(harbour.invoke(folder, "status", "--json").stdout)
    up = [one["name"] for one in report["workloads"] if one["state"] == "up"]
    (web,) = (name for name in up if name.startswith("web-"))
    found = str(web[-1])
    assert {f"{name}-{found}" for name in ("web", "jobs", "beat", "echo", "echo.2")} <= set(up)
    return found


def test_asgi_project_is_served_by_an_asgi_server(port: int, folder: Path) -> None:
    """Settings that name an ASGI application get such a server, and the folder of manage.py comes first."""
    assert read(port) == "ASGIRequest /app/site\n"
    assert "uvicorn" in logs(folder, f"web-{slot(folder)}").lower()


def test_websocket_goes_through_nginx(port: int) -> None:
    """The connection is upgraded, and a message comes back."""
    assert websocket.ask(port, "/ws/", "ahoy") == "heard ahoy"


def test_celery_worker_takes_jobs_from_redis(port: int, folder: Path) -> None:
    """A page has a number doubled by a worker, and the schedule's jobs arrive without anybody."""
    assert read(port, "/double/21/") == "42"
    jobs = f"jobs-{slot(folder)}"
    end = time.monotonic() + 20
    while "tock" not in logs(folder, jobs) and time.monotonic() < end:
        time.sleep(0.2)
    assert "tock" in logs(folder, jobs)


def test_page_that_fails_leaves_a_traceback(port: int, folder: Path) -> None:
    """Django's own logging says nothing with DEBUG = False."""
    with pytest.raises(urllib.error.HTTPError, match="500"):
        read(port, "/broken/")

    said = harbour.invoke(folder, "logs", "--process", "web").stdout
    assert "GET /broken/ failed" in said
    assert "ValueError: a view that fails" in said


def test_processes_end_by_the_signal_that_they_want(port: int, folder: Path) -> None:
    """A new release takes the old one's processes away, and daphne serves it where the table says so."""
    before = slot(folder)
    file = folder / "pyproject.toml"
    text = file.read_text()
    file.write_text(text.replace("concurrency = 2\nready", 'command = ["daphne"]\nready'))
    harbour.invoke(folder, "deploy")

    assert slot(folder) != before
    assert read(port) == "ASGIRequest /app/site\n"
    assert websocket.ask(port, "/ws/", "again") == "heard again"
    assert "left by SIGINT" in logs(folder, f"echo-{before}")
    assert "left by SIGINT" in logs(folder, f"echo.2-{before}")


def test_process_that_does_not_run_is_no_release(port: int, folder: Path) -> None:
    """What ends instead of starting takes the release back, with its own words."""
    file = folder / "pyproject.toml"
    text = file.read_text()
    file.write_text(text.replace('["celery", "beat"]', '["celery", "-A", "nothing", "beat"]'))

    done = harbour.invoke(folder, "deploy", check=False)
    file.write_text(text)

    assert done.returncode != 0
    assert "instead of starting" in done.stderr
    assert "nothing was not found" in done.stderr
    assert websocket.ask(port, "/ws/", "still") == "heard still"
