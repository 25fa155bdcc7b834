from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from estiba.build import hidden
from estiba.service import project as projects

LEAN = Path(__file__).parents[2] / "fixtures/services/harbour"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a service with a lock."""
    return Path(shutil.copytree(LEAN, tmp_path / "harbour", ignore=shutil.ignore_patterns("__pycache__", ".estiba")))


def find(folder: Path) -> list[str]:
    """Return what is told of the service."""
    return hidden.find(projects.load(folder))


def test_own_names_are_nobody_elses(folder: Path) -> None:
    """A folder that is no package hides nothing, nor does one that nothing imports, nor a file that is no module."""
    (folder / "sqlparse").mkdir()
    (folder / "gunicorn.toml").touch()
    for name in ("shop", "test"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").touch()

    assert find(folder) == []


def test_locked_package_is_named_with_who_imports_it(folder: Path) -> None:
    """An app named like one starts, until another package wants the real one."""
    (folder / "sqlparse").mkdir()
    (folder / "sqlparse/__init__.py").touch()

    assert find(folder) == ["sqlparse of the service hides the locked package sqlparse from django: rename it"]


def test_module_of_python_is_named(folder: Path) -> None:
    """It is looked for in the folder of manage.py first."""
    (folder / "calendar.py").touch()

    assert find(folder) == ["calendar of the service hides Python's module calendar from all packages: rename it"]


def test_service_without_a_lock_is_told_of_python_alone(folder: Path) -> None:
    """What is locked is not known yet."""
    (folder / "estiba.lock").unlink()
    (folder / "sqlparse.py").touch()

    assert find(folder) == []
