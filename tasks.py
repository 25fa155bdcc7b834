"""Development tasks of this repository, in addition to the tasks of a service."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from invoke import Collection

from estiba import tasks
from estiba.process import run_interactive
from estiba.tasks import ns
from estiba.tasks.collection import load, render_reference
from estiba.tasks.console import console, leave, task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from invoke import Context

# Two workers, since most tests wait for something half of the time. Each further one starts the shared services once
# more.
_WORKERS = ("--numprocesses=2", "--dist=loadfile", "--no-loadscope-reorder")


@task(help={"fix": "Fix what can be fixed automatically."})
def lint(_: Context, fix: bool = False) -> None:
    """Check style and types."""
    leave(_lint(["--fix"] if fix else []))


@task
def format(_: Context) -> None:
    """Format the sources."""
    leave(run_interactive(["ruff", "check", "--fix-only", "--quiet", "."]))
    leave(run_interactive(["ruff", "format", "."]))


@task(help={"unit-only": "Skip tests that need Nix, Docker or the network.", "k": "Expression to select tests by."})
def test(_: Context, unit_only: bool = False, k: str = "") -> None:
    """Check style and types, then run all tests."""
    lint_code = _lint()
    if lint_code:
        console.fail("style or types are wrong, see above; the tests run nevertheless")
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
    """Generate docs/tasks.md."""
    Path("docs/tasks.md").write_text(render_reference(load("estiba.tasks", list(tasks.__path__))), encoding="utf-8")


@task
def bench(_: Context) -> None:
    """Run the benchmarks against `docker build`, and generate docs/benchmarks.md."""
    leave(run_interactive([sys.executable, "-m", "benchmarks.bench"]))


@task(help={"folder": "Folder of the cluster; by default one in the state folder."})
def up(_: Context, folder: str = "") -> None:
    """Start the Kubernetes cluster of the tests, or say that it runs; prints how to reach it."""
    _cluster("up", folder)


@task(help={"folder": "Folder of the cluster; by default one in the state folder."})
def down(_: Context, folder: str = "") -> None:
    """End the cluster, and remove all that it left."""
    _cluster("down", folder)


@task(help={"folder": "Folder of the cluster; by default one in the state folder."})
def status(_: Context, folder: str = "") -> None:
    """Print how the cluster is doing, and how to reach it."""
    _cluster("status", folder)


def _cluster(command: str, folder: str) -> None:
    leave(run_interactive([sys.executable, "-m", "tests.cluster", command, *([folder] if folder else [])]))


for _task in (lint, format, test, docs, bench):
    ns.add_task(_task)
ns.add_collection(Collection("cluster", up, down, status))
