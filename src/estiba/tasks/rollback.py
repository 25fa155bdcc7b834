"""`invoke rollback`: return to the previous release."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from estiba import config
from estiba.release import by_hand
from estiba.tasks.console import console, task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from invoke import Context

_SHORT: Final = 12


@task(
    default=True,
    help={
        "target": "Target to roll back.",
        "project": "Folder of the service.",
        "to": "Version of the release to return to; by default the last one that passed its smoke tests.",
        "contract": "Roll back past migrations that removed what the release needs; they are taken back if possible.",
        "json": "Print the result as one JSON object.",
    },
)
def rollback(
    _: Context,
    *,
    target: str = "local",
    project: str = ".",
    to: str = "",
    contract: bool = False,
    json: bool = False,
) -> None:
    """Roll back to an earlier release without downtime.

    The database is left unchanged but for migrations that are taken back with `--contract`.
    """
    with (
        by_hand.reported(Path(project), target, config.load()) as destination,
        console.step(f"rollback on {target}") as on_status,
    ):
        before = destination.status().release
        record = destination.rollback(on_status=on_status, contract=contract, to=to)
    if json:
        console.json({**record.to_dict(), "urls": destination.addresses()})
        return
    for name in record.restarted:
        console.say(f"restarted {name}")
    for name in record.reversed:
        console.say(f"took back {name}")
    ours = (record.version, record.revision[:_SHORT], record.digest)
    theirs = (before.version, before.commit[:_SHORT], before.digest) if before else ours
    instead = f" instead of {_name(theirs, ours)}" if before else ""
    console.result(f"release {record.number} serves {_name(ours, theirs)} again{instead}")


def _name(one: Sequence[str], other: Sequence[str]) -> str:
    """Return a name of a release that differs from that of another one.

    Args:
        one: Version, commit and digest of the release.
        other: Those of the other release.
    """
    version, *more = one
    if version != other[0]:
        return version
    # A release that was built outside of a repository has no commit.
    differing = [mine for mine, theirs in zip(more, other[1:], strict=True) if mine != theirs and mine and theirs]
    return f"{version} ({differing[0]})" if differing else version
