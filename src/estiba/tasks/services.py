"""`invoke services`: run PostgreSQL and Redis for development."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from estiba import config
from estiba.build.flake import realise
from estiba.lock import freshness
from estiba.process import exec_program
from estiba.tasks.console import console, task

if TYPE_CHECKING:
    from invoke import Context

STATE: Final = Path(".estiba", "services")
"""Folder of data and sockets, relative to the service's; the variables of the development shell point to it."""

_ROOT: Final = Path(".estiba", "services-program")


@task(default=True, help={"project": "Folder of the service."})
def services(_: Context, project: str = ".") -> None:
    """Run PostgreSQL and Redis for development, until Ctrl-C.

    They come from the lock, and keep their data in `.estiba/services`.
    """
    run(Path(project).resolve())


def run(folder: Path) -> None:
    """Become the program that runs PostgreSQL and Redis of the service in a folder."""
    freshness.check(folder)
    (folder / _ROOT).parent.mkdir(exist_ok=True)
    with console.step("services") as on_status:
        made = realise(folder, "services", config.load(), out_link=folder / _ROOT, on_status=on_status)
    exec_program([str(made / "bin" / "services"), str(folder / STATE)])
