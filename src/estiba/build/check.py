"""Checks of a service in Nix's sandbox, and their reports."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from estiba.build.flake import realise
from estiba.errors import BusyError, CommandError
from estiba.nix import commands as nix
from estiba.nix.log import BuildLog
from estiba.process import run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from estiba.config import Config
    from estiba.process import Runner

REPORTS: Final = "reports"
"""Default folder for reports, relative to the folder of the service."""

RESULT: Final = Path(".estiba", "checks")
"""Symbolic link to the last results, relative to the folder of the service; a garbage collector root."""

HINTS: Final[Mapping[str, str]] = {
    "deploy": "settle each warning, or name it in SILENCED_SYSTEM_CHECKS; [tool.estiba] check-level sets what fails",
    "migrations": "python manage.py makemigrations",
}
"""Hints for failed checks, by name, whose own output has none."""

_ATTRIBUTE: Final = "check-results"
_RESULT_FILE: Final = "result.json"
_REPORT_SUFFIXES: Final = (".json", ".log", ".xml")
_TAIL: Final = 40
"""Lines of the log of a failed check to show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Result of a check.

    Attributes:
        name: Name of the check.
        code: Exit code.
        seconds: Duration.
        log: File with its output.
    """

    name: str
    code: int
    seconds: float
    log: Path

    @property
    def has_passed(self) -> bool:
        """Whether the exit code is 0."""
        return self.code == 0

    def tail(self, limit: int = _TAIL) -> str:
        """Return the last lines of the log."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-limit:])


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """Results of all checks of a service.

    Attributes:
        checks: Results in the order in which the checks ran.
        is_cached: Whether they are of an earlier run with the same inputs.
        coverage: Line coverage of the tests from 0 to 1, or None if it was not measured.
        tests: Number of `tests`, `failures`, `errors` and `skipped`, or None without a JUnit report.
        reports: Folder with logs and reports.
        idle: Files with tests of which none ran, as far as a report says which did.
    """

    checks: tuple[Check, ...]
    is_cached: bool
    coverage: float | None
    tests: Mapping[str, int] | None
    reports: Path
    idle: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[Check, ...]:
        """Results of the checks that failed."""
        return tuple(check for check in self.checks if not check.has_passed)

    def to_dict(self) -> dict[str, Any]:
        """Return the results in the form of `invoke check --json`."""
        return {
            "cached": self.is_cached,
            "checks": [
                {"log": str(check.log), "name": check.name, "passed": check.has_passed, "seconds": check.seconds}
                for check in self.checks
            ],
            "coverage": self.coverage,
            "idle": list(self.idle),
            "passed": not self.failed,
            "reports": str(self.reports),
            "tests": dict(self.tests) if self.tests is not None else None,
        }


def check(
    folder: Path,
    config: Config,
    *,
    reports: Path | None = None,
    again: bool = False,
    on_status: Callable[[str], None] | None = None,
    runner: Runner = run,
) -> CheckReport:
    """Run the checks of a service, unless the store has their results for the same inputs.

    Args:
        folder: Folder of the service, with `estiba.lock`.
        config: Settings from the environment.
        reports: Folder to copy reports to; by default `reports` in the folder of the service.
        again: Delete the results of an earlier run with the same inputs.
        on_status: Called with one progress message at a time.
        runner: Runs Nix.

    Raises:
        ArtifactError: Locked artifacts are not in the store.
        BuildError: The checks could not run.
        BusyError: `again` is set, and the results are in use by another checkout.
    """
    link = folder / RESULT
    link.parent.mkdir(exist_ok=True)
    log = BuildLog()

    def results() -> Path:
        return realise(folder, _ATTRIBUTE, config, out_link=link, on_status=follow, log=log, runner=runner)

    def follow(status: str) -> None:
        if on_status:
            on_status(log.lines.get(_ATTRIBUTE, [status])[-1])

    path = results()
    # Lines of this log mean that the checks have just run; then there is no need to run them twice.
    if again and _ATTRIBUTE not in log.lines:
        link.unlink()
        _delete_result(path, runner)
        path = results()
    target = reports or folder / REPORTS
    copy(nix.locate(path, config.store), target)
    return load(target, is_cached=_ATTRIBUTE not in log.lines)


def copy(results: Path, target: Path) -> None:
    """Copy reports from the store to a folder, where CI can collect them, and delete those of an earlier run."""
    target.mkdir(parents=True, exist_ok=True)
    for old in target.iterdir():
        if old.is_file() and old.suffix in _REPORT_SUFFIXES:
            old.unlink()
    for report in sorted(results.iterdir()):
        shutil.copyfile(report, target / report.name)


def _delete_result(path: Path, runner: Runner) -> None:
    try:
        nix.delete(path, runner=runner)
    except CommandError as error:
        msg = f"the result of the earlier run, {path}, is in use elsewhere"
        raise BusyError(msg, hint=f"see where with: nix-store --query --roots {path}") from error


def load(reports: Path, *, is_cached: bool) -> CheckReport:
    """Read the results of checks from a folder of reports.

    Args:
        reports: Folder with `result.json` and the logs.
        is_cached: Whether the results are of an earlier run.
    """
    result = json.loads((reports / _RESULT_FILE).read_text(encoding="utf-8"))
    return CheckReport(
        checks=tuple(
            Check(name=entry["name"], code=entry["code"], seconds=entry["seconds"], log=reports / entry["log"])
            for entry in result["checks"]
        ),
        is_cached=is_cached,
        coverage=result["coverage"],
        tests=result["tests"],
        reports=reports,
        idle=tuple(result.get("idle", ())),
    )
