"""`invoke fetch`: download the artifacts of the lock."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from estiba import config
from estiba.fetch import apply, plan
from estiba.lock import freshness
from estiba.lock.context import LockContext
from estiba.tasks.console import console, task

if TYPE_CHECKING:
    from invoke import Context


@task(
    default=True,
    help={
        "project": "Folder of the service.",
        "everything": "Also fetch what builds and checks need on other platforms than this machine's.",
        "image": "Only fetch what images are built from, not what checks need.",
        "dry-run": "Show what would be fetched, and fetch nothing.",
        "json": "Print the result as one JSON object.",
    },
)
def fetch(
    _: Context,
    *,
    project: str = ".",
    everything: bool = False,
    image: bool = False,
    dry_run: bool = False,
    json: bool = False,
) -> None:
    """Fetch the artifacts that the lock names into the Nix store."""
    lock = freshness.check(Path(project))
    context = LockContext(config=config.load(), folder=Path(project), tell=console.say)
    wanted = plan.plan(lock, folder=Path(project), everything=everything, image=image)
    if wanted.files and not dry_run:
        with console.progress("fetch", total=wanted.size, unit="bytes") as advance:
            apply.apply(lock, wanted, context, advance=advance)
    if json:
        console.json(wanted.to_dict())
    else:
        said = "would fetch" if dry_run else "fetched"
        console.result(f"{said} {len(wanted.files)} artifacts, {wanted.size / 1e6:.1f} MB; {wanted.present} were there")
