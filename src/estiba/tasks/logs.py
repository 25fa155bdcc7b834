"""Show the logs of a target."""

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
        "process": "Of one process only: web, worker, scheduler, nginx, postgresql, redis.",
        "tail": "How many lines.",
        "follow": "Go on with those that come.",
        "target": "Where.",
        "project": "The service's folder.",
        "json": "Print one JSON object on standard output.",
    },
)
def logs(
    _: Context,
    *,
    process: str = "",
    tail: int = 100,
    follow: bool = False,
    target: str = "local",
    project: str = ".",
    json: bool = False,
) -> None:
    """Show the last lines of all processes, in the order of time."""
    found = targets.load(Path(project), target, config.load()).logs(tail=tail, process=process, follow=follow)
    if json and not follow:
        console.json({"lines": list(found)})
        return
    for line in found:
        console.result(line)
