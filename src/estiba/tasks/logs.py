"""`invoke logs`: show the logs of a target."""

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
        "process": "Process to show: web, worker, scheduler, nginx, postgresql or redis; by default all.",
        "tail": "Number of lines to show.",
        "follow": "Go on with new lines until Ctrl-C.",
        "target": "Target to read from.",
        "project": "Folder of the service.",
        "json": "Print the result as one JSON object.",
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
    """Show the last log lines of all processes, ordered by time."""
    found = targets.load(Path(project), target, config.load()).logs(tail=tail, process=process, follow=follow)
    if json and not follow:
        console.json({"lines": list(found)})
        return
    for line in found:
        console.result(line)
