"""Gates on Django's checks and the tests of a service, which `invoke check` runs in the sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from estiba.build import check
from estiba.errors import GateError
from estiba.release.gates.gate import number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from estiba.build.check import CheckReport
    from estiba.release.gates.gate import Context, Key

COVERAGE_KEYS: Final[Mapping[str, Key]] = {"minimum": number("percent", 0, 100, is_required=True)}

_REPORT: Final = "checks"
"""Name in `Context.shared`."""
_TAIL: Final = 20


def run_tests(context: Context) -> dict[str, Any]:
    """Require that all tests pass, and that there are any; evidence: their numbers."""
    report = _load(context)
    evidence = _require(context, "tests", "tests")
    # A test command that runs no test exits with 0 in some runners.
    if not report.tests or report.tests["tests"] <= report.tests["skipped"]:
        gate, msg = (
            "tests",
            "no test has run" if report.tests else "the tests left no report, so nobody knows if any ran",
        )
        raise GateError(gate, msg, hint="[tool.estiba] test-command has to run pytest or manage.py test")
    # Not beside the rest: `skipped` would say that the gate itself was.
    return {**evidence, "totals": dict(report.tests)}


def check_migrations(context: Context) -> dict[str, Any]:
    """Require that no model has changes without a migration."""
    return _require(context, "migrations", "migrations")


def check_deploy(context: Context) -> dict[str, Any]:
    """Require that Django's deployment checks find nothing."""
    return _require(context, "check-deploy", "deploy")


def measure_coverage(context: Context) -> dict[str, Any]:
    """Require a line coverage of the tests; evidence: the coverage in percent."""
    gate, minimum = "coverage", context.options("coverage")["minimum"]
    covered = _load(context).coverage
    if covered is None:
        msg = "the tests' coverage was not measured"
        raise GateError(gate, msg, hint="add `coverage` to the dev group of [dependency-groups], and run invoke lock")
    # Rounded down: 79.96 is not 80.
    percent = int(covered * 1000) / 10
    if percent < minimum:
        msg = f"the tests run {percent} % of the lines, and must run {minimum} %"
        raise GateError(gate, msg, hint=f"see {context.folder / check.REPORTS}/coverage.xml")
    return {"minimum": minimum, "percent": percent}


def _require(context: Context, gate: str, name: str) -> dict[str, Any]:
    report = _load(context)
    found = next((one for one in report.checks if one.name == name), None)
    if found is None:
        msg = f"invoke check has no check {name!r}"
        raise GateError(gate, msg)
    if not found.has_passed:
        counts = ", ".join(f"{count} {what}" for what, count in (report.tests or {}).items()) if name == "tests" else ""
        msg = f"{name} failed{f' ({counts})' if counts else ''}; the end of {found.log}:\n{found.tail(_TAIL)}"
        raise GateError(gate, msg, hint=check.HINTS.get(name, "invoke check"))
    return {"cached": report.is_cached, "seconds": found.seconds}


def _load(context: Context) -> CheckReport:
    """Run the checks once for all gates that look at them; the store remembers results of the same files."""
    if _REPORT not in context.shared:
        context.shared[_REPORT] = check.check(
            context.folder, context.config, on_status=context.on_status, runner=context.runner
        )
    report: CheckReport = context.shared[_REPORT]
    return report
