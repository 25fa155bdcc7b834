"""Run PostgreSQL and Redis for developing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from estiba import config
from estiba.build.flake import realise
from estiba.process import exec_program
from estiba.tasks.console import console, task

if TYPE_CHECKING:
    from invoke import Context

STATE: Final = Path(".estiba", "services")
"""Where data and sockets are, below the service's folder; the development shell's variables lead there."""

_ROOT: Final = Path(".estiba", "services-program")


@task(default=True, help={"project": "The service's folder."})
def services(_: Context, project: str = ".") -> None:
    """Run PostgreSQL and Redis of the lock for developing, until Ctrl-C.

    They keep their data in `.estiba/services`.
    """
    folder = Path(project).resolve()
    (folder / _ROOT).parent.mkdir(exist_ok=True)
    with console.step("services") as on_status:
        made = realise(folder, "services", config.load(), out_link=folder / _ROOT, on_status=on_status)
    exec_program([str(made / "bin" / "services"), str(folder / STATE)])
