from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.services.gates import make_context

from estiba.build.check import Check, CheckReport
from estiba.errors import GateError
from estiba.release.gates import checks

if TYPE_CHECKING:
    from pathlib import Path

    from estiba.release.gates.gate import Context

COUNTS = {"errors": 0, "failures": 0, "skipped": 1, "tests": 7}


def make(
    folder: Path, *, code: int = 0, tests: dict[str, int] | None = COUNTS, coverage: float | None = 0.8
) -> Context:
    """Return what the gates look at, with a report of checks that all ended alike."""
    log = folder / "check.log"
    log.write_text("what went wrong\n")
    names = ("deploy", "migrations", "tests")
    found = tuple(Check(name=name, code=code, seconds=1.5, log=log) for name in names)
    report = CheckReport(checks=found, is_cached=False, coverage=coverage, tests=tests, reports=folder)
    context = make_context(folder, gates={"coverage": {"minimum": 80}})
    context.shared["checks"] = report
    return context


def test_passed_checks_leave_their_figures(tmp_path: Path) -> None:
    """Who reads the evidence later sees how many tests there were."""
    context = make(tmp_path)

    assert checks.run_tests(context) == {"cached": False, "seconds": 1.5, "totals": COUNTS}
    assert checks.check_deploy(context) == checks.check_migrations(context) == {"cached": False, "seconds": 1.5}
    assert checks.measure_coverage(context) == {"minimum": 80, "percent": 80.0}


@pytest.mark.parametrize(
    ("tests", "message"),
    [
        pytest.param(None, r"the tests left no report", id="no report"),
        pytest.param({**COUNTS, "skipped": 7}, r"no test has run", id="all skipped"),
        pytest.param({**COUNTS, "skipped": 0, "tests": 0}, r"no test has run", id="none"),
    ],
)
def test_no_tests_are_no_evidence(tmp_path: Path, tests: dict[str, int] | None, message: str) -> None:
    """An empty test suite passes anywhere else."""
    with pytest.raises(GateError, match=message):
        checks.run_tests(make(tmp_path, tests=tests))


def test_failed_checks_are_refused_with_the_end_of_the_log(tmp_path: Path) -> None:
    """The message has what the developer needs."""
    context = make(tmp_path, code=1)

    with pytest.raises(GateError, match=r"gate tests: tests failed \(.*7 tests\); .*\nwhat went wrong"):
        checks.run_tests(context)
    with pytest.raises(GateError, match=r"gate check-deploy: deploy failed"):
        checks.check_deploy(context)
    with pytest.raises(GateError, match=r"gate migrations: migrations failed"):
        checks.check_migrations(context)


@pytest.mark.parametrize(
    ("coverage", "message"),
    [
        pytest.param(0.7999, r"the tests run 79.9 % of the lines, and must run 80 %", id="short"),
        pytest.param(None, r"coverage was not measured", id="not measured"),
    ],
)
def test_coverage_is_not_rounded_up(tmp_path: Path, coverage: float | None, message: str) -> None:
    """Nearly is not enough."""
    with pytest.raises(GateError, match=message):
        checks.measure_coverage(make(tmp_path, coverage=coverage))
