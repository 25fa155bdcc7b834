"""The chores of this repository, beside the tasks that every service gets."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from estiba import tasks
from estiba.process import run_interactive
from estiba.tasks import ns
from estiba.tasks.collection import load, render_reference
from estiba.tasks.console import console, leave, task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from invoke import Context

# Two files at a time, since most tests wait for something half of their time. More would make the services that tests
# share as many times.
_WORKERS = ("--numprocesses=2", "--dist=loadfile", "--no-loadscope-reorder")


@task(help={"fix": "Repair what can be repaired."})
def lint(_: Context, fix: bool = False) -> None:
    """Check style and types."""
    leave(_lint(["--fix"] if fix else []))


@task
def format(_: Context) -> None:
    """Rewrite the sources in the house style."""
    leave(run_interactive(["ruff", "check", "--fix-only", "--quiet", "."]))
    leave(run_interactive(["ruff", "format", "."]))


@task(help={"unit-only": "Leave out what needs Nix, Docker or the network.", "k": "Run the tests that match only."})
def test(_: Context, unit_only: bool = False, k: str = "") -> None:
    """Check style and types, then run all tests."""
    lint_code = _lint()
    if lint_code:
        console.fail("style or types are wrong, see above; the tests run all the same")
    selection = ["-k", k] if k else []
    options = [*_WORKERS, *([] if unit_only else ["--run-integration"]), *selection]
    leave(run_interactive(["pytest", *options]) or lint_code)


def _lint(options: Sequence[str] = ()) -> int:
    codes = [
        run_interactive(argv)
        for argv in (["ruff", "check", *options, "."], ["ruff", "format", "--check", "."], ["mypy"])
    ]
    return max(codes)


@task
def docs(_: Context) -> None:
    """Write docs/tasks.md anew."""
    Path("docs/tasks.md").write_text(render_reference(load("estiba.tasks", list(tasks.__path__))), encoding="utf-8")


@task
def bench(_: Context) -> None:
    """Compare with `docker build`, and write docs/benchmarks.md anew."""
    leave(run_interactive([sys.executable, "-m", "benchmarks.bench"]))


for _chore in (lint, format, test, docs, bench):
    ns.add_task(_chore)
