"""`estiba` and `invoke` as people type them, in folders with and without a `tasks.py`."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from tests import ocilayout
from tests.djangoproject import lay
from tests.integration.scaffold.test_adopt import FILES
from tests.services import harbour

from estiba import config

if TYPE_CHECKING:
    from pathlib import Path

TASKS = """\
from estiba.tasks import ns
from estiba.tasks.console import task


@task(help={"where": "To which harbour."})
def sail(_, where):
    \"\"\"Leave.\"\"\"


ns.add_task(sail)
"""


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """Return a Django project that knows nothing of Estiba."""
    return lay(tmp_path / "lighthouse", FILES)


@pytest.fixture
def service(tmp_path: Path) -> Path:
    """Return a folder with the tasks of a service, and one of its own."""
    return lay(tmp_path / "service", {"tasks.py": TASKS})


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command line of the development shell in a folder."""
    env = config.load().environment(ESTIBA_FLAKE=harbour.FLAKE, PYTHONPATH=str(harbour.ROOT / "src"))
    done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    return done


def test_project_is_adopted_from_its_own_folder(plain: Path) -> None:
    """Nothing has to be there before; afterwards `invoke` has its tasks there too."""
    done = run(plain, "estiba", "adopt", ".")

    assert done.returncode == 0, done.stderr
    assert (plain / "tasks.py").exists()
    assert run(plain, "invoke", "adopt", "--help").returncode == 0


@pytest.mark.parametrize(("task", "flag"), [("adopt", "--help"), ("cache.push", "-h")])
def test_help_is_the_same_everywhere(plain: Path, service: Path, task: str, flag: str) -> None:
    """Before the task and behind it, for both programs."""
    shown = run(plain, "estiba", task, flag)

    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout == run(plain, "estiba", "--help", task).stdout
    for asked in ((task, flag), ("--help", task)):
        done = run(service, "invoke", *asked)
        assert (done.returncode, done.stdout) == (0, shown.stdout.replace("Usage: estiba", "Usage: inv[oke]"))


def test_tasks_of_a_service_have_help_too(service: Path) -> None:
    """What a service adds behaves as what it gets."""
    done = run(service, "invoke", "sail", "--help")

    assert (done.returncode, "To which harbour." in done.stdout) == (0, True)
    assert done.stdout == run(service, "invoke", "--help", "sail").stdout


def test_invoke_lists_each_task_once(service: Path) -> None:
    """By the name that people type, and those of the service among them."""
    done = run(service, "invoke", "--list")
    names = [line.split()[0] for line in done.stdout.splitlines() if line.startswith("  ") and line[2] != " "]

    assert len(set(names)) == len(names)
    assert {"adopt", "build", "build.verify", "sail"} <= set(names)
    assert [name for name in names if name in {"adopt.adopt", "build.build"}] == []


@pytest.mark.parametrize("wrong", [("bulid",), ("build", "--platfrm", "x86_64-linux"), ("adopt", "--dry-rnu", ".")])
def test_mistyped_words_fail_in_both(plain: Path, service: Path, wrong: tuple[str, ...]) -> None:
    """Estiba names what was meant."""
    done = run(plain, "estiba", *wrong)

    assert (done.returncode, done.stdout, "did you mean" in done.stderr) == (64, "", True)
    assert run(service, "invoke", *wrong).returncode == 1
    assert not (plain / "tasks.py").exists()


def test_bad_values_are_refused_before_anything_runs(plain: Path, tmp_path: Path) -> None:
    """Neither Nix nor a target nor the Docker engine has a say in it."""
    run(plain, "estiba", "adopt", ".", "--estiba-url", harbour.FLAKE)
    platform = run(plain, "estiba", "build", "--platform", "arm")
    target = run(plain, "estiba", "status", "--target", "locl")
    image = ocilayout.write(tmp_path / "image", ocilayout.service())
    loaded = run(plain, "estiba", "image.load", "--image", str(image), "--platform", "linux/arm")

    assert (platform.returncode, target.returncode, loaded.returncode) == (64, 64, 64)
    assert "error: no platform 'arm'; there is " in platform.stderr
    assert "x86_64-linux" in platform.stderr
    assert "error: no platform 'linux/arm'; there is " in loaded.stderr
    assert "aarch64-linux, linux/arm64; did you mean 'linux/arm64'?" in loaded.stderr
    assert "error: no target 'locl'; there is local; did you mean 'local'?" in target.stderr


def test_shells_complete_the_program(plain: Path) -> None:
    """Bash itself finds a task by its beginning."""
    script = """\
source <(estiba --print-completion-script bash)
COMP_WORDS=(estiba ado) COMP_CWORD=1 COMP_LINE='estiba ado'
_complete_estiba estiba ado estiba
echo "${COMPREPLY[@]}"
"""
    assert run(plain, "bash", "-c", script).stdout.split() == ["adopt"]
