"""Deploy a service to a target."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from estiba import config
from estiba.build import release
from estiba.deploy import targets
from estiba.tasks.console import console, task

if TYPE_CHECKING:
    from invoke import Context


@task(
    default=True,
    help={
        "target": "Where to; `local`, this machine, needs no settings.",
        "project": "The service's folder.",
        "contract": "Let migrations take away what the release before needs; there is no way back past them.",
        "json": "Print one JSON object on standard output.",
    },
)
def deploy(
    _: Context, *, target: str = "local", project: str = ".", contract: bool = False, json: bool = False
) -> None:
    """Build the service and serve it without losing a request.

    Its database is migrated first, and the release is tried.
    """
    settings = config.load()
    destination = targets.load(Path(project), target, settings)
    with console.step(f"deploy to {target}") as on_status:
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
