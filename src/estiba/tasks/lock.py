"""`invoke lock`, `invoke lock.check`: resolve and pin the dependencies of a service."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from estiba import config
from estiba.fetch.apply import fetch
from estiba.lock import freshness, resolve
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
        "project": "Folder of the service.",
        "upgrade": "Upgrade all Python distributions, as far as the requirements allow.",
        "upgrade-package": "Python distribution to upgrade; may be given more than once.",
        "upgrade-debian": "Upgrade all Debian packages.",
        "dry-run": "Show what would change, and write nothing.",
        "json": "Print the result as one JSON object.",
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
    """Resolve the dependencies of the service, and write its lock.

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
        console.warn(f"{gone} is gone from the mirror; its current version is locked")
    for sentence in (*outcome.yanked, *outcome.lacking):
        console.warn(sentence)
    if json:
        lists = {name: list(getattr(outcome, name)) for name in ("changes", "gone", "lacking", "yanked")}
        console.json({"changed": outcome.changed, **lists})
    else:
        _show(outcome, dry_run=dry_run)


@task(help={"project": "Folder of the service.", "json": "Print the result as one JSON object."})
def check(_: Context, *, project: str = ".", json: bool = False) -> None:
    """Check that the lock is up to date.

    Exits with 2 if requirements or settings have changed since it was written.
    """
    found = freshness.check(Path(project))
    if json:
        console.json({"fresh": True, "inputs": str(found.inputs)})
    else:
        console.result("estiba.lock is up to date")


def _show(outcome: Outcome, *, dry_run: bool) -> None:
    for change in outcome.changes:
        console.say(change)
    told = f"{len(outcome.changes)} changes"
    if outcome.is_first:
        told = f"{len(outcome.lock.distributions)} distributions and {len(outcome.lock.debs)} Debian packages"
    if not outcome.changed:
        console.result("unchanged")
    elif dry_run:
        console.result(f"would write estiba.lock and requirements-lock.txt: {told}")
    else:
        console.result(f"wrote estiba.lock and requirements-lock.txt: {told}")
