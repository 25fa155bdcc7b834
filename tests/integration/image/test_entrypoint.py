from __future__ import annotations

import signal
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.services import stage as stages
from tests.services.stage import PASSWORD, Stage

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator

HOLD = f"SELECT pg_advisory_lock({int.from_bytes(b'estibamg', 'big')}); SELECT pg_sleep(60)"
HELD = "SELECT 1 / count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"
"""Fails until somebody has the lock."""
END = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%sleep(60)' AND pid != pg_backend_pid()"
LATER = (
    "import datetime, django_rq; from harbour.jobs import count_entries; "
    "django_rq.get_queue().enqueue_in(datetime.timedelta(seconds=1), count_entries)"
)
COUNTED = "from django.core.cache import cache; print('counted', cache.get('entries'))"
CACHED = """\
from config.settings import *

CACHES = {**CACHES, "slow": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "slow_cache"}}
"""
SLOW = "__import__('django.core.cache').core.cache.caches['slow']"


@pytest.fixture(scope="module")
def stage(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Set the service up, with Redis running and PostgreSQL not."""
    with stages.set_up(template, tmp_path_factory.mktemp("stage")) as ready:
        yield ready


def wait_for(what: Callable[[], bool], seconds: float = 120) -> None:
    """Wait until something holds, and fail when it does not."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def answers(port: int) -> bool:
    """Tell whether the service says that it is ready, with its database and its cache."""
    try:
        with urllib.request.urlopen(f"http://localhost:{port}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def command_line(child: subprocess.Popen[bytes]) -> list[str]:
    """Return the command line that a process has now."""
    return Path(f"/proc/{child.pid}/cmdline").read_text().split("\0")


def test_web_waits_for_a_late_database_and_becomes_gunicorn(stage: Stage) -> None:
    """It says what it waits for, then serves; SIGTERM ends gunicorn itself, with exit code 0."""
    with stage.running("web") as (web, log):
        wait_for(lambda: "waiting for the database" in log.read_text())
        assert "entrypoint.py" in command_line(web)[1]

        with stage.database():
            assert stage.run("migrate")[0] == 0
            wait_for(lambda: answers(stage.port))
            assert command_line(web)[1] == "-P"
            assert command_line(web)[3] == "gunicorn"
            web.send_signal(signal.SIGTERM)

            assert web.wait(60) == 0
    said = log.read_text()
    assert "Using worker: gthread" in said
    assert "rror" not in said.partition("Starting gunicorn")[2]
    assert PASSWORD not in said


def test_there_is_a_limit_to_waiting(stage: Stage) -> None:
    """Without a database the process ends with a message, which shows where it looked and no secret."""
    code, said = stage.run("worker", DB_WAIT_TIMEOUT="5")

    assert code == 69
    assert "no database after 5 seconds (DB_WAIT_TIMEOUT): default:" in said
    assert str(stage.database_port) in said
    assert PASSWORD not in said


def test_waiting_ends_with_sigterm(stage: Stage) -> None:
    """An engine that stops a container need not wait for the limit."""
    with stage.running("web") as (web, log):
        wait_for(lambda: "waiting for the database" in log.read_text())
        web.send_signal(signal.SIGTERM)

        assert web.wait(60) == 128 + signal.SIGTERM


def test_unusable_settings_end_at_once(stage: Stage) -> None:
    """What waiting cannot mend is told at once, without the secrets in it."""
    code, said = stage.run("web", DATABASE_URL=f"nonsense://app:{PASSWORD}@localhost/app", ALLOWED_HOSTS="")

    assert code == 78
    assert "ALLOWED_HOSTS is missing" in said
    assert PASSWORD not in said


def test_one_migrates_while_the_others_wait(stage: Stage) -> None:
    """A process that finds the lock taken waits for it, up to a limit; the lock goes with whoever held it."""
    psql = [str(stage.programs / "psql"), "-h", "127.0.0.1", "-p", str(stage.database_port), "-U", "app"]
    with stage.database():
        holder = stage.servers.popen([*psql, "-c", HOLD])
        wait_for(lambda: stage.servers.run([*psql, "-c", HELD]) == 0)

        code, said = stage.run("migrate", MIGRATE_LOCK_TIMEOUT="1")
        assert code == 75
        assert "another process still migrates after 1 seconds (MIGRATE_LOCK_TIMEOUT)" in said

        with stage.running("migrate") as (migrate, log):
            wait_for(lambda: "another process migrates; waiting for it" in log.read_text())
            assert "Applying" not in log.read_text()
            assert stage.servers.run([*psql, "-c", END]) == 0
            assert holder.wait(60) != 0

            assert migrate.wait(60) == 0
        assert "Applying harbour.0001_initial" in log.read_text()
        assert "Warning" not in log.read_text()


def test_many_may_migrate_at_once(stage: Stage) -> None:
    """Of three that start together one applies the migrations, and all succeed."""
    with (
        stage.database(),
        stage.running("migrate") as one,
        stage.running("migrate") as two,
        stage.running("migrate") as three,
    ):
        assert [child.wait(120) for child, _ in (one, two, three)] == [0, 0, 0]
        said = [log.read_text() for _, log in (one, two, three)]

    assert sum("Applying harbour.0001_initial" in text for text in said) == 1
    assert sum("No migrations to apply" in text for text in said) == 2


def test_tables_of_caches_are_made(stage: Stage) -> None:
    """No migration makes them, and who has used such a cache finds it as it was at the next release."""
    settings = stage.image.top / "tmp" / "cached_settings.py"
    settings.write_text(CACHED)
    env = {"DJANGO_SETTINGS_MODULE": "cached_settings", "PYTHONPATH": "/tmp"}
    with stage.database():
        first = stage.run("migrate", **env)
        assert stage.run("manage", "shell", "-c", f"{SLOW}.set('one', 1)", **env)[0] == 0
        again = stage.run("migrate", **env)
        kept = stage.run("manage", "shell", "-c", f"print('kept', {SLOW}.get('one'))", **env)[1]

    assert (first[0], again[0]) == (0, 0)
    assert "kept 1" in kept


def test_migrate_hands_on_failure_and_arguments(stage: Stage) -> None:
    """The exit code is that of manage.py, which gets the arguments."""
    with stage.database():
        code, said = stage.run("migrate", "nowhere")

    assert code == 1
    assert "nowhere" in said


def test_worker_and_scheduler(stage: Stage) -> None:
    """A job that is due later gets from the scheduler to a worker; both end with SIGTERM after their work."""
    with stage.database():
        assert stage.run("migrate")[0] == 0
        with stage.running("worker", RQ_QUEUES="default") as (worker, _), stage.running("scheduler") as (scheduler, _):
            assert stage.run("manage", "shell", "-c", LATER)[0] == 0
            wait_for(lambda: "counted 0" in stage.run("manage", "shell", "-c", COUNTED)[1])
            for child in (worker, scheduler):
                assert "rqworker" in command_line(child)
                child.send_signal(signal.SIGTERM)

            assert [worker.wait(60), scheduler.wait(60)] == [0, 0]


def test_manage_needs_no_database(stage: Stage) -> None:
    """A command of Django's runs at once, as what manage.py makes of it."""
    code, said = stage.run("manage", "check")

    assert code == 0
    assert "no issues" in said


def test_unknown_command(stage: Stage) -> None:
    """There is no shell to fall into."""
    code, said = stage.run("sh", "-c", "id")

    assert code == 64
    assert said.startswith("estiba: unknown command: sh\nusage: COMMAND")
