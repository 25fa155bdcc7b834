"""What a commit should not have is in `.gitignore`, beside what is there."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.djangoproject import lay

from estiba.scaffold import gitignore

if TYPE_CHECKING:
    from pathlib import Path

UNWANTED = (
    ".env",
    ".env.production",
    ".estiba/image",
    ".venv/bin/python",
    "db.sqlite3",
    "front/node_modules/htmx/htmx.js",
    "python/pyvenv.cfg",
    "reports/junit.xml",
    "result-1",
    "shop/__pycache__/urls.cpython-313.pyc",
)


def test_what_is_no_source_is_not_committed(tmp_path: Path) -> None:
    """Git itself says what `git add .` leaves out; a second time there is nothing to add."""
    lay(tmp_path, dict.fromkeys((*UNWANTED, "manage.py", "shop/urls.py"), ""))
    lay(tmp_path, gitignore.complete(tmp_path))
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    subprocess.run(["git", "-C", str(tmp_path), "add", "."], check=True)
    listed = subprocess.run(["git", "-C", str(tmp_path), "ls-files"], check=True, capture_output=True, text=True)

    assert listed.stdout.split() == [".gitignore", "manage.py", "shop/urls.py"]
    assert gitignore.complete(tmp_path) == {}


def test_what_is_there_stays_and_is_not_said_twice(tmp_path: Path) -> None:
    """Other words for the same count."""
    before = "# ours\n.env*\n*venv/\ndb.sqlite3\n*.py[cod]\n__pycache__\n/node_modules"
    lay(tmp_path, {".gitignore": before})

    assert gitignore.complete(tmp_path)[".gitignore"] == f"{before}\n.estiba/\n/reports/\n/result\n/result-*\n"


def test_what_is_in_git_already_is_not_named(tmp_path: Path) -> None:
    """Whoever committed it meant it; what is new beside it has its line."""
    lay(tmp_path, dict.fromkeys((".envs/.local/.django", ".envs/.production/.django", "python/pyvenv.cfg"), ""))
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    subprocess.run(["git", "-C", str(tmp_path), "add", ".envs/.local"], check=True)

    lines = gitignore.complete(tmp_path)[".gitignore"].splitlines()
    assert lines[-2:] == ["/.envs/.production/.django", "/python/"]
    assert not any(".local" in line for line in lines)


@pytest.mark.parametrize("name", ["reports", "result"])
def test_package_of_the_service_is_committed(tmp_path: Path, name: str) -> None:
    """Tasks write no folder of that name then."""
    lay(tmp_path, {f"{name}/__init__.py": ""})

    assert not {f"/{name}", f"/{name}/"} & {*gitignore.complete(tmp_path)[".gitignore"].splitlines()}


def test_file_in_another_encoding_is_left_alone(tmp_path: Path) -> None:
    """What it says is not known."""
    lay(tmp_path, {".gitignore": "# gr\xfcn\n".encode("latin-1")})

    assert gitignore.complete(tmp_path) == {}
