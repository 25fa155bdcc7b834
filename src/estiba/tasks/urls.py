"""`invoke urls`: show the URLs of a service."""

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
        "target": "Target to report on.",
        "project": "Folder of the service.",
        "json": "Print the result as one JSON object.",
    },
)
def urls(_: Context, *, target: str = "local", project: str = ".", json: bool = False) -> None:
    """Show the URLs of the service on a target."""
    found = targets.load(Path(project), target, config.load()).addresses()
    if json:
        console.json(found)
        return
    for url in found.values():
        console.result(url)
