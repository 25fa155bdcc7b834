from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.unit.scaffold.adopt.test_deployment import harbour

from estiba.scaffold.adopt import adoption, procfile
from estiba.service import project
from estiba.service.processes import Process

if TYPE_CHECKING:
    from pathlib import Path

BEAT = '[tool.estiba.processes.beat] with command = ["celery", "beat"]'
REQUIREMENTS = "django>=5.2\ngunicorn\ncelery\nuvicorn\n"


def test_procfile_becomes_the_table(tmp_path: Path) -> None:
    """Addresses are the image's own affair, manage.py is known by its name, and deployments migrate anyway."""
    procfile = (
        "# what runs\n"
        "release: python manage.py migrate --noinput\n"
        "web: uvicorn harbour.asgi:application --host 0.0.0.0 --port $PORT --workers $WEB_CONCURRENCY\n"
        "worker: celery -A harbour worker -l info --concurrency=4\n"
        "Mail_Feed: python manage.py feed --every 60\n"
    )
    made = adoption.plan(harbour(tmp_path, Procfile=procfile, **{"requirements.txt": REQUIREMENTS}))
    adoption.apply(made)

    assert project.load(tmp_path).processes == (
        Process(name="web", command=("uvicorn", "harbour.asgi:application")),
        Process(name="mail-feed", command=("manage", "feed", "--every", "60")),
        Process(name="worker", command=("celery", "-A", "harbour", "worker", "-l", "info", "--concurrency=4")),
    )
    assert "processes = mail-feed, web, worker: Procfile names them" in made.decided
    assert not any("Procfile" in one for one in made.undecided)


@pytest.mark.parametrize(
    "line",
    [
        "web: gunicorn harbour.wsgi",
        "web: gunicorn harbour.wsgi:application --bind 0.0.0.0:$PORT",
        "release: python manage.py migrate",
        "no process",
    ],
)
def test_what_runs_anyway_is_not_written(tmp_path: Path, line: str) -> None:
    """The table is for what differs."""
    made = adoption.plan(harbour(tmp_path, Procfile=f"{line}\n"))

    assert "processes" not in made.settings
    assert not any("Procfile" in one for one in made.undecided)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("web: python manage.py runserver", "Procfile web will not run: runserver is for development"),
        ("web: bin/serve x.wsgi", "starts with 'bin/serve', not with one of"),
        ("clock: cd jobs && celery beat", "'&&' in 'cd jobs && celery beat' needs a shell"),
        ("clock: python tick.py && echo x", "'&&' in 'python tick.py && echo x' needs a shell"),
        ("release: ./release.sh", "Procfile release: a deployment runs migrate, and not './release.sh'"),
        ("clock: A=1 python tick.py", "'A=1' in"),
        ("scss: make watch-scss", "an image has no make; write what it starts into [tool.estiba.processes]"),
        ("web: bash Procfile.sh", "an image has no bash"),
        ("clock: python tick.py 'x", "is no command: No closing quotation"),
        ("a-name-that-is-too-long: x", "is no name of at most 16 lowercase letters"),
    ],
)
def test_lines_that_will_not_run_are_named(tmp_path: Path, line: str, reason: str) -> None:
    """Each with its reason, and without a process."""
    made = adoption.plan(harbour(tmp_path, Procfile=f"{line}\n"))

    assert "processes" not in made.settings
    assert any(reason in one for one in made.undecided)


@pytest.mark.parametrize(
    ("wrapper", "command"),
    [
        ("newrelic-admin run-program", "celery --app=harbour worker"),
        ("REMAP_SIGTERM=SIGQUIT", "celery worker"),
        ("bin/start-nginx", "gunicorn -c gunicorn.conf harbour.wsgi"),
    ],
)
def test_what_starts_a_known_program_is_left_out(tmp_path: Path, wrapper: str, command: str) -> None:
    """The image has to know Celery and web servers, and says what is not done."""
    name = "web" if "gunicorn" in command else "jobs"
    made = adoption.plan(harbour(tmp_path, Procfile=f"{name}: {wrapper} {command}\n"))
    (said,) = (one for one in made.undecided if one.startswith("Procfile: "))

    assert made.settings["processes"] == {name: {"command": command.split()}}
    assert said.startswith(f"Procfile: {wrapper!r} before {command.split(maxsplit=1)[0]} is left out")


@pytest.mark.parametrize(
    "line",
    [
        "exec python manage.py work",
        "pipenv run python manage.py work",
        "poetry run python3.13 -u manage.py work",
        "uv run --no-dev --frozen manage.py work",
        "exec pdm run ./manage.py work",
        "/app/.venv/bin/python manage.py work",
    ],
)
def test_launchers_of_environments_are_no_programs(tmp_path: Path, line: str) -> None:
    """What a shell or a tool for environments starts is started by the image, also where an editor wrote a mark."""
    made = adoption.plan(harbour(tmp_path, Procfile=f"\ufeffjobs: {line}\n"))
    assert made.settings["processes"] == {"jobs": {"command": ["manage", "work"]}}


def test_folder_of_manage_is_no_need_for_a_shell(tmp_path: Path) -> None:
    """The image starts everything with that folder first on the path."""
    folder = harbour(tmp_path)
    (folder / "site").mkdir()
    for name in ("manage.py", "harbour"):
        (folder / name).rename(folder / "site" / name)
    (folder / "Procfile").write_text("jobs: cd site && python manage.py feed\n")

    assert adoption.plan(folder).settings["processes"] == {"jobs": {"command": ["manage", "feed"]}}


@pytest.mark.parametrize(
    ("requirement", "told"),
    [
        ("celery", '[tool.estiba.processes.worker] with command = ["celery", "worker"]'),
        ("django-celery-beat", BEAT),
        ("django-q2", '[tool.estiba.processes.worker] with command = ["manage", "qcluster"]'),
    ],
)
def test_worker_that_nothing_runs_is_named(tmp_path: Path, requirement: str, told: str) -> None:
    """It would be silently left out."""
    said = adoption.plan(harbour(tmp_path, **{"requirements.txt": f"django>=5.2\ngunicorn\n{requirement}\n"})).undecided

    assert f"{requirement} is required, and nothing runs it: write {told}" in said


IDLE = [
    "Procfile clock will not run: '&&' in 'x && y' needs a shell; write the words into [tool.estiba.processes]",
    "Procfile Mail_Feed will not run: [tool.estiba.processes] does not have it",
    "Procfile release: a deployment runs migrate, and not './release.sh'",
    f"django-celery-beat is required, and nothing runs it: write {BEAT}",
]


def test_what_is_idle_is_told_with_the_same_reasons(tmp_path: Path) -> None:
    """A build and a deployment say what adoption said, until the table has it; `web` runs in any case."""
    lines = (
        "web: bash start.sh",
        "clock: x && y",
        "Mail_Feed: python manage.py feed",
        "release: ./release.sh",
        "worker: celery -A harbour worker",
    )
    pyproject = (
        '[project]\nname = "x"\ndependencies = ["Celery>=5", "django_celery_beat", "gunicorn"]\n[tool.estiba]\n'
        '[tool.estiba.processes]\nworker = {command = ["celery", "worker"]}\n'
    )
    folder = harbour(tmp_path, Procfile="\n".join(lines), **{"pyproject.toml": pyproject})

    assert procfile.find_idle(project.load(folder)) == IDLE
    more = 'clock = {command = ["x"]}\nmail-feed = {command = ["x"]}\nbeat = {command = ["celery", "beat"]}\n'
    (folder / "pyproject.toml").write_text(pyproject + more)
    assert procfile.find_idle(project.load(folder)) == IDLE[2:3]


def test_processes_by_default_are_not_idle(tmp_path: Path) -> None:
    """The image has those of django-rq by itself."""
    pyproject = '[project]\nname = "x"\ndependencies = ["django-rq"]\n[tool.estiba]\n'
    lines = "worker: python manage.py rqworker\nscheduler: python manage.py rqscheduler\n"
    folder = harbour(tmp_path, Procfile=lines, **{"pyproject.toml": pyproject})

    assert procfile.find_idle(project.load(folder)) == []
