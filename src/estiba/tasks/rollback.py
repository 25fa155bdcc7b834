"""`invoke rollback`: return to the previous release."""

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
        "target": "Target to roll back.",
        "project": "Folder of the service.",
        "contract": "Roll back even past migrations that removed what the release needs.",
        "json": "Print the result as one JSON object.",
    },
)
def rollback(
    _: Context, *, target: str = "local", project: str = ".", contract: bool = False, json: bool = False
) -> None:
    """Roll back to the previous release without downtime.

    The database is left unchanged.
    """
    destination = targets.load(Path(project), target, config.load())
    with console.step(f"rollback on {target}") as on_status:
        record = destination.rollback(on_status=on_status, contract=contract)
    if json:
        console.json({**record.to_dict(), "urls": destination.addresses()})
        return
    for name in record.restarted:
        console.say(f"restarted {name}")
    console.result(f"release {record.number} serves {record.version} ({record.revision[:12] or record.digest}) again")
