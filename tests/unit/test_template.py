"""The template, rendered: what comes out is whole and clean."""

from __future__ import annotations

import compileall
import re
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING

import pytest

from estiba import tasks as library
from estiba.scaffold import new
from estiba.service import project
from estiba.tasks.collection import load

if TYPE_CHECKING:
    from pathlib import Path

ANSWERS = {
    "defaults": {},
    "other": {"python": "3.11", "time_zone": "Europe/Madrid", "description": "Counts the ships in «Puerto Viejo»"},
    "plain": {"sample": "no"},
}


@pytest.fixture(scope="module", params=ANSWERS)
def baked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a new service."""
    return new.create(tmp_path_factory.mktemp("baked") / "puerto_viejo", answers=ANSWERS[request.param])


def test_python_compiles(baked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every Python file is valid."""
    monkeypatch.setattr("sys.pycache_prefix", str(tmp_path))

    assert compileall.compile_dir(baked, quiet=1)


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]], ids=" ".join)
def test_style_is_clean(baked: Path, command: list[str]) -> None:
    """The new service passes its own linter and formatter."""
    result = subprocess.run(
        ["ruff", *command, "--no-cache", "."], cwd=baked, capture_output=True, text=True, check=False
    )

    assert (result.stdout.splitlines()[-1:], result.returncode) in [
        (["All checks passed!"], 0),
        ([result.stdout.strip()], 0),
    ]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("eval(input())\n", "S307"),
        ("import subprocess\n\nsubprocess.run(input(), shell=True, check=True)\n", "S602"),
        ("import pickle\n\npickle.load(open(input(), 'rb'))\n", "S301"),
        ("def find(cursor, name):\n    cursor.execute('SELECT * FROM boats WHERE name = ' + name)\n", "S608"),
    ],
)
def test_unsafe_source_is_found(baked: Path, tmp_path: Path, text: str, code: str) -> None:
    """The new service's linter looks at the security of its source, as bandit does."""
    file = tmp_path / "unsafe.py"
    file.write_text(text)
    options = ["--no-cache", "--config", str(baked / "pyproject.toml"), "--output-format=concise"]
    argv = ["ruff", "check", *options, str(file)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)

    assert (done.returncode, f" {code} " in done.stdout) == (1, True), done.stdout


def test_no_placeholder_is_left(baked: Path) -> None:
    """Nothing of the template's own language reaches the service."""
    files = [file for file in baked.rglob("*") if file.is_file() and file.suffix != ".html"]

    assert [file.name for file in files if "cookiecutter" in file.read_text() or "{%" in file.read_text()] == []


def test_sample_is_there_or_not(baked: Path, request: pytest.FixtureRequest) -> None:
    """The sample app is a folder; without it nothing names it, and its extra is not in the image."""
    is_wanted = "plain" not in request.node.name
    named = [file.name for file in baked.rglob("*") if file.is_file() and "lending" in file.read_text()]

    assert (baked / "lending").is_dir() is bool(named) is is_wanted
    assert tomllib.loads((baked / "pyproject.toml").read_text())["tool"]["estiba"]["extras"] == (["excel"] * is_wanted)


def test_estiba_accepts_it(baked: Path) -> None:
    """The new service is one that Estiba reads, with settings and application found."""
    read = project.load(baked)

    assert (read.name, read.settings, read.wsgi) == ("puerto-viejo", "config.settings", "config.wsgi:application")
    assert read.env == {"ENVIRONMENT": "build"}


def test_flake_and_tasks_are_short(baked: Path) -> None:
    """What belongs to Estiba in a service is a few lines."""
    assert len((baked / "flake.nix").read_text().splitlines()) <= 20
    assert len((baked / "tasks.py").read_text().splitlines()) <= 10


def test_version_is_said_once(baked: Path) -> None:
    """The version is that of pyproject.toml alone: a release that raises it breaks no test of the service."""
    version = tomllib.loads((baked / "pyproject.toml").read_text())["project"]["version"]

    assert [file.name for file in baked.rglob("*.py") if f'"{version}"' in file.read_text()] == []


def test_makefile_names_tasks_that_there_are(baked: Path) -> None:
    """Each target of the Makefile is one call of a task."""
    calls = re.findall(r"^\tinvoke (\S+)$", (baked / "Makefile").read_text(), re.MULTILINE)
    tasks = load("estiba.tasks", list(library.__path__))

    assert calls
    assert [call for call in calls if call not in tasks.task_names] == []


def test_requirements_are_ranges(baked: Path) -> None:
    """The project says what it needs; the lock says which versions."""
    dependencies = tomllib.loads((baked / "pyproject.toml").read_text())["project"]["dependencies"]

    assert [line for line in dependencies if "==" in line] == []


def test_no_service_hides_what_it_imports(baked: Path) -> None:
    """The name of each package that a new service imports is refused for the service itself."""
    hook = (new.locate_template() / "hooks" / "pre_gen_project.py").read_text()
    pattern = re.compile(r"^ *(?:from|import) +(\w+)", re.MULTILINE)
    imported = {name for file in baked.rglob("*.py") for name in pattern.findall(file.read_text())}
    own = {path.stem for path in baked.iterdir()} | sys.stdlib_module_names

    assert [name for name in sorted(imported - own) if not re.search(rf"\b{name}\b", hook)] == []


def test_spanish_beside_english(baked: Path) -> None:
    """Both documents of a new service name the same commands and the same parts."""
    english, spanish = ((baked / name).read_text() for name in ("README.md", "README.es.md"))

    commands = re.compile(r"^\$ (invoke \S+|pytest)", re.MULTILINE)
    assert commands.findall(english) == commands.findall(spanish)
    parts = re.compile(r"(?<=\| )`[^|]*(?= \|$)", re.MULTILINE)
    rows = [re.findall(r"`[^`]+`", row) for row in parts.findall(english.partition("## Settings")[0])]
    assert rows == [re.findall(r"`[^`]+`", row) for row in parts.findall(spanish)]
