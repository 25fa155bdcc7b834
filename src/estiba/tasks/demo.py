"""`invoke demo`: the whole way, from the template to an answered request."""

from __future__ import annotations

import platform
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from estiba import config
from estiba.demo import Demo
from estiba.tasks.console import console, task

if TYPE_CHECKING:
    from invoke import Context

    from estiba.demo import Report

_NAME = "harbour"


@task(
    default=True,
    help={
        "dir": "Folder for the service, which must not exist yet; by default a temporary one.",
        "keep": "Leave the service and its container in place.",
        "json": "Print the summary as one JSON object.",
    },
)
def demo(_: Context, *, dir: str = "", keep: bool = False, json: bool = False) -> None:
    """Scaffold, lock, fetch, build, check and verify a service, and answer a request from its image."""
    with ExitStack() as stack:
        journey = Demo(_place(dir, stack, keep=keep), config.load(), keep=keep)
        try:
            journey.run(console.step)
        finally:
            _show(journey.report, as_json=json)


def _place(folder: str, stack: ExitStack, *, keep: bool) -> Path:
    """Return the folder of the service; a temporary one goes when the demo ends, unless it is kept."""
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
    rows = [(step.name, f"{step.seconds:.1f} s", step.skipped and f"skipped: {step.skipped}") for step in report.steps]
    console.table(("step", "time", ""), rows)
    if report.built:
        console.result(f"image {summary['digest']}, {summary['image']['size'] / 1e6:.1f} MB compressed")
    if report.url:
        console.result(f"answered at {report.url}")
