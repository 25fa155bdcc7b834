"""`invoke demo`: create, build, deploy, change and roll back a service from the template."""

from __future__ import annotations

import platform
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from estiba import config
from estiba.demo.scenario import plan
from estiba.errors import EstibaError
from estiba.tasks.console import console, task

if TYPE_CHECKING:
    from invoke import Context

    from estiba.demo.report import Report

_NAME = "harbour"
_DOWNLOADS = ("lock", "fetch")
"""Steps that download in a first run."""


@task(
    default=True,
    help={
        "dir": "Folder to create for the service; by default a temporary one.",
        "keep": "Keep the folder and leave the service running, until `invoke down` there.",
        "verify": "Also build the image again in an empty store, and compare.",
        "json": "Print the summary as one JSON object.",
    },
)
def demo(_: Context, *, dir: str = "", keep: bool = False, verify: bool = False, json: bool = False) -> None:
    """Demonstrate the workflow, from the template to a rollback under load.

    Scaffolds, builds, checks and deploys a service, deploys a change and a broken release under load, and rolls back.
    """
    with ExitStack() as stack:
        folder = _choose_folder(dir, stack, keep=keep)
        scenario = plan(folder, config.load(), keep=keep, verify=verify)
        try:
            scenario.run(console.step)
        except EstibaError:
            # Drops the removal of the temporary folder.
            stack.pop_all()
            console.say(f"the service is kept in {folder} for inspection")
            raise
        finally:
            _show(scenario.report, as_json=json)
    if keep:
        console.say(f"the service is still running; to stop it: invoke down --project {folder}")


def _choose_folder(folder: str, stack: ExitStack, *, keep: bool) -> Path:
    """Return the folder of the service; a temporary one is removed after a successful demo, unless it is kept."""
    if folder:
        return Path(folder)
    scratch = Path(tempfile.mkdtemp(prefix="estiba-demo-"))
    if keep:
        console.say(f"the service is in {scratch / _NAME}")
    else:
        stack.callback(shutil.rmtree, scratch)
    return scratch / _NAME


def _show(report: Report, *, as_json: bool) -> None:
    summary = report.to_dict(f"{platform.machine()}-linux")
    if as_json:
        console.json(summary)
        return
    rows = [
        (
            step.name if step.ok else f"{step.name} (failed)",
            f"{step.seconds:.1f} s",
            f"skipped: {step.outcome.skipped}" if step.outcome.skipped else step.outcome.note,
        )
        for step in report.steps
    ]
    console.table(("step", "time", ""), rows)
    times = f"{report.seconds():.0f} s, of these {report.seconds(*_DOWNLOADS):.0f} s for {' and '.join(_DOWNLOADS)}"
    console.result(f"all steps took {times}, which download what is missing")
    if report.built:
        console.result(f"image {summary['digest']}, {summary['image']['size'] / 1e6:.1f} MB compressed")
    if report.url:
        console.result(f"answered at {report.url}")
