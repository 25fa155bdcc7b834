"""`invoke down`: stop the processes of a target."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from estiba import config
from estiba.release import by_hand
from estiba.tasks.console import console, task

if TYPE_CHECKING:
    from invoke import Context


@task(
    default=True,
    help={
        "target": "Target to stop.",
        "project": "Folder of the service.",
        "json": "Print the result as one JSON object.",
    },
)
def down(_: Context, *, target: str = "local", project: str = ".", json: bool = False) -> None:
    """Stop all processes of a target; data and releases are kept."""
    with (
        by_hand.reported(Path(project), target, config.load()) as destination,
        console.step(f"down on {target}") as on_status,
    ):
        record = destination.down(on_status=on_status)
    if record.reason:
        console.warn(record.reason)
    if json:
        console.json(record.to_dict())
