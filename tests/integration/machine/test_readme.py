"""What the README shows is what happens."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tests.services.harbour import FLAKE, ROOT

from estiba import config

if TYPE_CHECKING:
    from pathlib import Path

COMMAND = re.compile(r"^\$ (.*)$", re.MULTILINE)


def commands(heading: str, page: str = "README.md") -> list[str]:
    """Return the commands of one chapter."""
    chapter = (ROOT / page).read_text().partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return COMMAND.findall(chapter)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a copy of this repository, beside which services can be made."""
    caches = shutil.ignore_patterns(".git", ".*_cache", "__pycache__", ".estiba", ".venv")
    return shutil.copytree(ROOT, tmp_path / "estiba", ignore=caches)


def test_use_it(checkout: Path) -> None:
    """Every command of "Use it" works, one after the other, in one shell."""
    script = "\n".join(["set -eux", *commands("Use it")])
    # `-m invoke` under another name: the interpreter of these tests need not be the first on PATH.
    invoke = f'invoke() {{ "{sys.executable}" -m invoke "$@"; }}'
    env = config.load().environment(ESTIBA_FLAKE=FLAKE, PYTHONPATH=str(ROOT / "src"))
    argv = ["bash", "-c", f"{invoke}\ncd {checkout}\n{script}"]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "the same" in done.stdout


def test_two_commands_are_those_of_ci() -> None:
    """The README's command for the tests is what continuous integration runs."""
    demo, test = commands("See it work")

    assert demo == "./nixw develop --command invoke demo"
    assert test in (ROOT / ".ci" / "run").read_text().splitlines()
