"""`invoke check`: run Django's checks and the tests of a service."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from estiba import config
from estiba.build.check import HINTS
from estiba.build.check import check as run_checks
from estiba.lock import freshness
from estiba.tasks.console import console, leave, task

if TYPE_CHECKING:
    from invoke import Context

    from estiba.build.check import CheckReport

_SHOWN: Final = 5


@task(
    default=True,
    help={
        "project": "Folder of the service.",
        "reports": "Folder to write logs and reports to; by default `reports` in the service's folder.",
        "again": "Run the checks even if nothing has changed since the last run.",
        "json": "Print the result as one JSON object.",
    },
)
def check(_: Context, project: str = ".", reports: str = "", again: bool = False, json: bool = False) -> None:
    """Run Django's checks and the tests in the sandbox, with PostgreSQL and Redis."""
    freshness.check(Path(project))
    with console.step("check") as on_status:
        checked = run_checks(
            Path(project), config.load(), reports=Path(reports) if reports else None, again=again, on_status=on_status
        )
    if json:
        console.json(checked.to_dict())
    else:
        _show(checked)
    _complain(checked)
    leave(1 if checked.failed else 0)


def _show(checked: CheckReport) -> None:
    ran = "before" if checked.is_cached else "now"
    rows = [
        (check.name, "passed" if check.has_passed else "failed", ran, f"{check.seconds:.1f} s")
        for check in checked.checks
    ]
    console.table(("check", "result", "run", "time"), rows)
    if checked.tests is not None:
        names = ("tests", "failures", "errors", "skipped")
        console.result(", ".join(f"{checked.tests[name]} {name}" for name in names))
    if checked.idle:
        more = f" and {len(checked.idle) - _SHOWN} more" if len(checked.idle) > _SHOWN else ""
        console.result(f"no test ran of those in {', '.join(checked.idle[:_SHOWN])}{more}")
    if checked.coverage is not None:
        console.result(f"coverage {checked.coverage:.1%}")
    console.result(f"reports in {checked.reports}")


def _complain(checked: CheckReport) -> None:
    for failed in checked.failed:
        hint = f"\n  hint: {HINTS[failed.name]}" if failed.name in HINTS else ""
        console.fail(f"{failed.name} failed; the end of {failed.log}:\n{failed.tail()}{hint}")
