"""What a developer types in a service, of each Python: the flake's outputs, the shell's programs and the tasks."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pytest
from tests.services import harbour as harbour_service
from tests.services import shop

from estiba import config
from services import choose_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LIMIT: Final = 120.0
"""Seconds until something answers."""

TESTS: Final = 'test-command = ["python", "-c", "print(12345679 * 9)"]\n'
"""Tests that take no time, and say what nobody else does."""

FROM_OUTSIDE: Final = ("DATABASE_URL", "DJANGO_SETTINGS_MODULE", "ESTIBA_FLAKE", "REDIS_URL")
"""What this machine may set and a developer's does not."""


@pytest.fixture(scope="module", params=["3.11", "3.13"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a service with a repository, as `invoke new` makes it; 3.13 is what it takes by default."""
    folder = tmp_path_factory.mktemp("entries") / "harbour"
    if request.param == "3.13":
        shutil.copytree(request.getfixturevalue("template"), folder, symlinks=True)
    else:
        # The other one shows what there is for two.
        harbour_service.make(folder, settings='platforms = ["x86_64-linux"]\n', python=request.param)
    flake = folder / "flake.nix"
    flake.write_text(flake.read_text().replace(harbour_service.FLAKE, shop.settings().flake))
    pyproject = folder / "pyproject.toml"
    assert f'python = "{request.param}"' in pyproject.read_text()
    pyproject.write_text(pyproject.read_text().replace("[tool.estiba]\n", f"[tool.estiba]\n{TESTS}"))
    shop.git(folder, "init", "--quiet")
    shop.commit(folder, "Begin")
    return folder


def test_one_command_runs_all_that_a_developer_needs(service: Path) -> None:
    """`dev.up` migrates and serves from the sources, with a worker; `dev.down` ends all of it, and does so once.

    Translations are compiled, and tests run again when a file is saved.

    It comes before the tests whose fixture runs the same servers.
    """
    port = choose_port(0)
    done = run(service, *in_shell("invoke", "dev.urls", "--port", str(port)))
    assert f"http://app.localhost:{port}/" in done
    with running(service, "invoke", "dev.up", "--tests", "--port", str(port)) as log:
        assert get(port, "/readyz") == '{"database": "ok", "cache": "ok"}'
        wait_for(" worker | ", log)
        wait_for("  tests | 111111111\n", log)
        assert list(service.glob("harbour/locale/es/LC_MESSAGES/*.mo"))
        (service / "conftest.py").touch()
        wait_for("  tests | 111111111\n", log, times=2)
        shell(service, "invoke", "dev.up", "--port", str(port), code=75)
        shell(service, "invoke", "dev.down")
    assert all(f"{name} | " in log.read_text() for name in ("servers", "migrate", "web", "worker"))
    shell(service, "invoke", "dev.down")


@pytest.fixture(scope="module")
def served(service: Path) -> Iterator[Path]:
    """Run the service's PostgreSQL and Redis for the second time, with the tables that the first time left."""
    with running(service, "invoke", "services") as log:
        wait_for("REDIS_URL=", log)
        shell(service, "python", "manage.py", "migrate")
    with running(service, "invoke", "services") as log:
        wait_for("REDIS_URL=", log)
        yield service


def in_shell(*argv: str) -> list[str]:
    """Return the command that runs another one in the service's shell."""
    return ["nix", "develop", "--command", *argv]


def clean() -> dict[str, str]:
    """Return the environment that a developer has."""
    return {name: value for name, value in config.load().environment().items() if name not in FROM_OUTSIDE}


def run(service: Path, *argv: str, code: int = 0) -> str:
    """Run a command in the service's folder and return what it prints."""
    done = subprocess.run(argv, cwd=service, env=clean(), capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def shell(service: Path, *argv: str, code: int = 0) -> str:
    """Run a command in the service's shell and return what it prints."""
    return run(service, *in_shell(*argv), code=code)


@contextmanager
def running(service: Path, *argv: str) -> Iterator[Path]:
    """Run a command in the service's shell until Ctrl-C, and hold that it ends well then; yields its log."""
    log = service.parent / f"{argv[1]}.log"
    with log.open("wb") as output:
        child = subprocess.Popen(
            in_shell(*argv), cwd=service, env=clean(), stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield log
    finally:
        os.killpg(child.pid, signal.SIGINT)
        code = child.wait(LIMIT)
    assert code == 0, log.read_text()


def wait_for(text: str, log: Path, times: int = 1) -> None:
    """Wait until a log has a text, so many times."""
    deadline = time.monotonic() + LIMIT
    while log.read_text().count(text) < times:
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)


def get(port: int, path: str) -> str:
    """Return a page of this machine, as soon as something answers."""
    deadline = time.monotonic() + LIMIT
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=LIMIT) as answer:
                return str(answer.read().decode())
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def test_the_shell_has_what_the_service_has(service: Path) -> None:
    """Python is the lock's, its distributions are there, and the service's sources come from its folder."""
    code = "import django, harbour, sys, zoneinfo; zoneinfo.ZoneInfo('UTC'); print(sys.version, harbour.__file__)"
    version, *_, file = shell(service, "python", "-c", code).split()

    assert f'python = "{".".join(version.split(".")[:2])}"' in (service / "pyproject.toml").read_text()
    assert file == str(service / "harbour" / "__init__.py")


def test_a_shell_below_the_folder_is_the_same(service: Path) -> None:
    """Where the shell is entered changes nothing."""
    below = shell(service / "harbour", "sh", "-c", "echo $PYTHONPATH $DATABASE_URL")

    assert below.split()[0] == str(service)
    assert below == shell(service, "sh", "-c", "echo $PYTHONPATH $DATABASE_URL")


def test_addresses_of_the_developer_stay(service: Path) -> None:
    """Who has servers of his own says so as ever."""
    argv = ["env", "REDIS_URL=redis://localhost/3", *in_shell("printenv", "REDIS_URL")]

    assert run(service, *argv) == "redis://localhost/3\n"


def test_programs_of_the_service(service: Path) -> None:
    """Programs of its distributions start, and Django accepts its settings."""
    assert shell(service, "gunicorn", "--version").startswith("gunicorn")
    assert shell(service, "python", "manage.py", "check") == "System check identified no issues (0 silenced).\n"


def test_tests_pass_beside_real_servers(served: Path) -> None:
    """The developer's `pytest` is as good as `invoke check`."""
    said = shell(served, "pytest", "-p", "no:cacheprovider")

    assert " passed" in said
    assert "skipped" not in said


def test_the_development_server_answers(served: Path) -> None:
    """It reads database and cache where `invoke services` runs them."""
    port = choose_port(0)
    argv = ["python", "manage.py", "runserver", str(port)]
    with running(served, *argv):
        assert get(port, "/readyz") == '{"database": "ok", "cache": "ok"}'


def test_servers_keep_their_data(served: Path) -> None:
    """What was written is there when they run again, for nobody else to read."""
    servers = served / ".estiba" / "services"

    assert "[X] 0001_initial" in shell(served, "python", "manage.py", "showmigrations", "harbour")
    assert servers.stat().st_mode & 0o077 == 0


def test_servers_run_once(served: Path) -> None:
    """A second command in the same folder is refused, and those that run stay."""
    shell(served, "invoke", "services", code=75)

    shell(served, "python", "manage.py", "migrate", "--check")


def test_outputs_of_the_flake(service: Path) -> None:
    """Each command of Nix ends with something of use."""
    run(service, "nix", "build", "--no-link")
    run(service, "nix", "build", "--no-link", ".#devShells.x86_64-linux.default")
    run(service, "nix", "flake", "check")

    assert "runserver" in run(service, "nix", "run")
    assert run(service, "nix", "run", ".", "--", "check") == "System check identified no issues (0 silenced).\n"
    assert "devShells" in run(service, "nix", "flake", "show")


def test_tasks_in_the_shell(service: Path) -> None:
    """Estiba's tasks run by its own Python, whichever the service's is."""
    for program in ("invoke", "estiba"):
        assert "services" in shell(service, program, "--list")
    for task in ("lock", "fetch", "build", "check", "image.inspect"):
        shell(service, "invoke", task)
    assert shell(service, "invoke", "status", code=1) == "local: nothing is served\n"
