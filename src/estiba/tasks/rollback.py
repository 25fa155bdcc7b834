"""Go back to the release before."""

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
        "contract": "Go back also past migrations that took away what the release needs.",
        "json": "Print one JSON object on standard output.",
    },
)
def rollback(
    _: Context, *, target: str = "local", project: str = ".", contract: bool = False, json: bool = False
) -> None:
    """Serve the release before again, without losing a request.

    The database stays as it is.
    """
    destination = targets.load(Path(project), target, config.load())
    with console.step(f"rollback on {target}") as on_status:
        record = destination.rollback(on_status=on_status, contract=contract)
    if json:
        console.json({**record.to_dict(), "urls": destination.addresses()})
        return
    for name in record.restarted:
        console.say(f"restarted {name}")
    console.result(f"release {record.number} serves {record.version} ({record.digest}) again")
