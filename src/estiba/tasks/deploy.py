"""`invoke deploy`: build a release and roll it out to a target."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from estiba import config
from estiba.build import release
from estiba.lock import freshness
from estiba.release import by_hand
from estiba.tasks.build import warn_of_gaps
from estiba.tasks.console import console, task

if TYPE_CHECKING:
    from invoke import Context


@task(
    default=True,
    help={
        "target": "Target to deploy to; `local`, this machine, needs no settings.",
        "project": "Folder of the service.",
        "contract": "Allow migrations that remove what the previous release needs; a rollback past them is refused.",
        "json": "Print the result as one JSON object.",
    },
)
def deploy(
    _: Context, *, target: str = "local", project: str = ".", contract: bool = False, json: bool = False
) -> None:
    """Build a release and roll it out without downtime.

    Migrates the database, starts the release beside the previous one, switches traffic and runs the smoke tests. If a
    step fails, the previous release is served again.
    """
    freshness.check(Path(project))
    warn_of_gaps(Path(project))
    settings = config.load()
    with (
        by_hand.reported(Path(project), target, settings) as destination,
        console.step(f"deploy to {target}") as on_status,
    ):
        manifest = release.build(Path(project), destination.contents, settings, on_status=on_status)
        record = destination.deploy(manifest, on_status=on_status, contract=contract)
    if json:
        console.json({**record.to_dict(), "urls": destination.addresses()})
        return
    for name in record.restarted:
        console.say(f"restarted {name}")
    for name in record.migrations:
        console.say(f"applied {name}")
    console.say(f"release {record.number} ({record.version}, {record.digest}): {record.result}")
    for url in destination.addresses().values():
        console.result(url)
