"""Run a service's checks in the sandbox and read their reports."""

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
"""The folder for reports, below the service's folder."""

RESULT: Final = Path(".estiba", "checks")
"""Where the link to the last results is, below the service's folder; it keeps them from being collected."""

HINTS: Final[Mapping[str, str]] = {
    "deploy": "settle each warning, or name it in SILENCED_SYSTEM_CHECKS; [tool.estiba] check-level sets what fails",
    "migrations": "python manage.py makemigrations",
}
"""What to do about a failed check that does not say so itself."""

_ATTRIBUTE: Final = "check-results"
_RESULT_FILE: Final = "result.json"
_REPORT_SUFFIXES: Final = (".json", ".log", ".xml")
_TAIL: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """How one check ended: its name, exit code and seconds, and the log of what it printed."""

    name: str
    code: int
    seconds: float
    log: Path

    @property
    def has_passed(self) -> bool:
        """Whether it succeeded."""
        return self.code == 0

    def tail(self, limit: int = _TAIL) -> str:
        """Return the last lines that it printed."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-limit:])


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What the checks of a service came to.

    Attributes:
        checks: In the order in which they ran.
        is_cached: Whether the same inputs were checked before, so that nothing ran now.
        coverage: The share of lines that the tests ran, or None where it was not measured.
        tests: Numbers of tests, failures, errors and skipped ones, or None without a report.
        reports: The folder with the logs and reports.
    """

    checks: tuple[Check, ...]
    is_cached: bool
    coverage: float | None
    tests: Mapping[str, int] | None
    reports: Path

    @property
    def failed(self) -> tuple[Check, ...]:
        """Those that did not pass."""
        return tuple(check for check in self.checks if not check.has_passed)

    def to_dict(self) -> dict[str, Any]:
        """Return what `invoke check --json` prints."""
        return {
            "cached": self.is_cached,
            "checks": [
                {"log": str(check.log), "name": check.name, "passed": check.has_passed, "seconds": check.seconds}
                for check in self.checks
            ],
            "coverage": self.coverage,
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
) -> Checked:
    """Check the service in `folder`; inputs that have been checked before are not checked again.

    Args:
        folder: The service's folder, with `estiba.lock`.
        config: The environment's settings.
        reports: Where the reports go, by default `reports` in the service's folder.
        again: Forget what an earlier run with the same inputs came to.
        on_status: Called with one line at a time that says what is happening.
        runner: Runs the commands.

    Raises:
        ArtifactError: Something that the lock names is not in the store.
        BuildError: The checks could not be run.
        BusyError: They are to run again, and another checkout still has their result.
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
    if again and _ATTRIBUTE not in log.lines:
        link.unlink()
        _forget(path, runner)
        path = results()
    target = reports or folder / REPORTS
    copy(nix.locate(path, config.store), target)
    return load(target, is_cached=_ATTRIBUTE not in log.lines)


def copy(results: Path, target: Path) -> None:
    """Copy reports to a folder for CI to take, in place of those of an earlier run."""
    target.mkdir(parents=True, exist_ok=True)
    for old in target.iterdir():
        if old.is_file() and old.suffix in _REPORT_SUFFIXES:
            old.unlink()
    for report in sorted(results.iterdir()):
        shutil.copyfile(report, target / report.name)


def _forget(path: Path, runner: Runner) -> None:
    try:
        nix.delete(path, runner=runner)
    except CommandError as error:
        msg = f"the result of the earlier run, {path}, is in use elsewhere"
        raise BusyError(msg, hint=f"see where with: nix-store --query --roots {path}") from error


def load(reports: Path, *, is_cached: bool) -> Checked:
    """Read a folder of reports."""
    result = json.loads((reports / _RESULT_FILE).read_text(encoding="utf-8"))
    return Checked(
        checks=tuple(
            Check(name=entry["name"], code=entry["code"], seconds=entry["seconds"], log=reports / entry["log"])
            for entry in result["checks"]
        ),
        is_cached=is_cached,
        coverage=result["coverage"],
        tests=result["tests"],
        reports=reports,
    )
