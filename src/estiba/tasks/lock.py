"""Lock a service."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from estiba import config
from estiba.fetch.apply import fetch
from estiba.lock import resolve
from estiba.lock.context import LockContext
from estiba.lock.python.pip import Upgrade
from estiba.tasks.console import console, task

if TYPE_CHECKING:
    from invoke import Context

    from estiba.lock.resolve import Outcome


@task(
    default=True,
    iterable=["upgrade_package"],
    help={
        "project": "The service's folder.",
        "upgrade": "Take the newest versions of all distributions that the requirements allow.",
        "upgrade-package": "Take the newest version of this distribution; may be given more than once.",
        "upgrade-debian": "Take the newest versions of all Debian packages.",
        "dry-run": "Say what would change, and write nothing.",
        "json": "Print one JSON object on standard output.",
    },
)
def lock(
    _: Context,
    *,
    project: str = ".",
    upgrade: bool = False,
    upgrade_package: list[str],
    upgrade_debian: bool = False,
    dry_run: bool = False,
    json: bool = False,
) -> None:
    """Resolve what the service needs, and write its lock.

    The files are requirements-lock.txt and estiba.lock.
    """
    options = resolve.Options(
        upgrade=Upgrade(everything=upgrade, names=tuple(upgrade_package)),
        upgrade_debian=upgrade_debian,
        dry_run=dry_run,
    )
    with console.step("lock") as on_status:
        context = LockContext(config=config.load(), tell=on_status)
        outcome = resolve.lock(Path(project), context, options, fetch=lambda lock: fetch(lock, context))
    for gone in outcome.gone:
        console.warn(f"{gone} is gone from the mirror; the version that it has now is locked")
    if json:
        console.json({"changed": outcome.changed, "changes": list(outcome.changes), "gone": list(outcome.gone)})
    else:
        _show(outcome, dry_run=dry_run)


@task(help={"project": "The service's folder.", "json": "Print one JSON object on standard output."})
def check(_: Context, *, project: str = ".", json: bool = False) -> None:
    """Exit with 2 when the lock is not that of the requirements and settings."""
    found = resolve.check(Path(project))
    if json:
        console.json({"fresh": True, "inputs": str(found.inputs)})
    else:
        console.result("estiba.lock is up to date")


def _show(outcome: Outcome, *, dry_run: bool) -> None:
    for change in outcome.changes:
        console.say(change)
    count = len(outcome.changes)
    if not outcome.changed:
        console.result("unchanged")
    elif dry_run:
        console.result(f"would write estiba.lock and requirements-lock.txt: {count} changes")
    else:
        console.result(f"wrote estiba.lock and requirements-lock.txt: {count} changes")
