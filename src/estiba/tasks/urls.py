"""Show where a service answers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from estiba import config
from estiba.deploy import targets
from estiba.tasks.console import console, task

if TYPE_CHECKING:
    from invoke import Context


@task(
    default=True,
    help={
        "target": "Where.",
        "project": "The service's folder.",
        "json": "Print one JSON object on standard output.",
    },
)
def urls(_: Context, *, target: str = "local", project: str = ".", json: bool = False) -> None:
    """Show the addresses of the service."""
    found = targets.load(Path(project), target, config.load()).addresses()
    if json:
        console.json(found)
        return
    for url in found.values():
        console.result(url)
