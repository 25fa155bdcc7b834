"""`invoke status`: show the state of a target."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from estiba import config
from estiba.deploy import targets
from estiba.tasks.console import console, leave, task

if TYPE_CHECKING:
    from invoke import Context

    from estiba.deploy.target import Report


@task(
    default=True,
    help={
        "target": "Target to report on.",
        "project": "Folder of the service.",
        "json": "Print the result as one JSON object.",
    },
)
def status(_: Context, *, target: str = "local", project: str = ".", json: bool = False) -> None:
    """Show the release that a target serves, its processes, and the last command.

    Exits with 1 unless the service is ready.
    """
    report = targets.load(Path(project), target, config.load()).status()
    if json:
        console.json(report.to_dict())
    else:
        _show(report)
    for note in report.notes:
        console.warn(note)
    leave(0 if report.is_ready else 1)


def _show(report: Report) -> None:
    if not report.release:
        console.result(f"{report.target}: nothing is served")
        return
    release, details = report.release, report.details
    ready = "ready" if report.is_ready else "not ready"
    console.result(f"{report.target}: {report.service} {release.version}, release {release.number}, {ready}")
    console.result(f"{release.digest}  {details.get('path', '')}".rstrip())
    for url in report.addresses.values():
        console.result(url)
    if certificate := details.get("certificate"):
        console.result(f"certificate: {certificate['days']} days left, until {certificate['until']}")
    pids = details.get("pids", {})
    rows = [(one.name, one.state, pids.get(one.name, ""), one.seconds) for one in report.workloads]
    console.table(("process", "state", "id", "seconds"), rows)
    if report.last:
        console.result(f"last: {report.last.command} by {report.last.user}, {report.last.since}: {report.last.result}")
