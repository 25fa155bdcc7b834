"""A service made from the template, locked and fetched as a user would do it, and a leaner one of the same shape."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from estiba import config
from estiba.build.flake import realise
from estiba.scaffold.new import create

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT: Final = Path(__file__).parents[2]
FLAKE: Final = f"path:{ROOT}"
"""This repository as it lies there, for a service's flake and for other stores; Nix locks no changed checkout."""

_LEAN: Final = Path(__file__).parents[1] / "fixtures" / "services" / "harbour"
_LEAN_FLAKE: Final = f"""{{
  inputs.estiba.url = "{FLAKE}";
  outputs = {{ self, estiba }}: estiba.lib.mkService {{ src = self; }};
}}
"""

LIBRARY: Final = config.load().flake or FLAKE
"""The same for tasks: the development shell's copy in the store, which Nix need not copy again for each of them."""


def make(folder: Path, *, settings: str = "", **answers: str) -> Path:
    """Create the service, lock it and fetch what it needs.

    Args:
        folder: Where to.
        settings: Lines of `[tool.estiba]` beside those of the template.
        answers: To the template's questions.
    """
    create(folder, flake=FLAKE, answers=answers)
    pyproject = folder / "pyproject.toml"
    pyproject.write_text(pyproject.read_text().replace("[tool.estiba]\n", f"[tool.estiba]\n{settings}"))
    for command in ("lock", "fetch"):
        invoke(folder, command)
    return folder


def fetched(folder: Path) -> Path:
    """Copy the lean service, whose lock is committed, and fetch what it needs.

    Its pages, jobs and files have the names that those of the template's service have.
    """
    shutil.copytree(_LEAN, folder, ignore=shutil.ignore_patterns("__pycache__", ".estiba"))
    (folder / "flake.nix").write_text(_LEAN_FLAKE)
    invoke(folder, "fetch")
    return folder


def invoke(
    folder: Path, *arguments: str, check: bool = True, inside: Sequence[str] = (), **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a task in the service's folder, with the library of this repository.

    Args:
        folder: The service's.
        arguments: The task and its arguments.
        check: Whether it must succeed.
        inside: Words before the command, which make it run elsewhere.
        variables: Further environment variables.
    """
    env = config.load().environment(ESTIBA_FLAKE=LIBRARY, PYTHONPATH=str(ROOT / "src"), **variables)
    argv = [*inside, sys.executable, "-m", "invoke", *arguments]
    done = subprocess.run(argv, cwd=folder, env=env, capture_output=True, text=True, check=False)
    if check and done.returncode:
        message = f"{' '.join(arguments)} exited with {done.returncode}\n{done.stdout}{done.stderr}"
        raise AssertionError(message)
    return done


def build(folder: Path, attribute: str) -> Path:
    """Build one output of the service's flake, and return its path in the store."""
    return realise(folder, attribute, config.load())
