"""The command that runs a service's tests, so that it also writes the reports that CI systems read."""

from dataclasses import dataclass
from pathlib import Path

PYTHON = "/opt/venv/bin/python"
JUNIT = "junit.xml"
"""Report of the single tests."""

COVERAGE = "coverage.xml"
"""Report of the lines that ran, in Cobertura's format."""

DATA = ".coverage"
"""Where coverage keeps its data, in the temporary folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Testing:
    """What the service's environment offers for testing.

    Attributes:
        packages: The `site-packages` folder of the environment.
        manage: Path of manage.py in the service.
        reports: The folder for reports, as the tests see it.
    """

    packages: Path
    manage: str
    reports: str

    def command(self, given: list[str]) -> list[str]:
        """Return the command to run for the one in `[tool.estiba] test-command`.

        pytest and Django's own runner get their report switched on, and coverage where it is installed. Any other
        command runs as it is. Without pytest, Django's runner stands in for it.
        """
        match given:
            case ["pytest", *rest] | ["python" | "python3", "-m", "pytest", *rest]:
                return self._pytest(rest) if self._has("pytest") else self._python([self.manage, "test"])
            case [program, *rest] if program.removeprefix("./") == self.manage:
                return self._python([self.manage, *rest])
            case ["python" | "python3", *rest]:
                return self._python(rest)
            case _:
                return given

    def coverage_commands(self, data: list[Path]) -> list[list[str]]:
        """Return the commands that make reports of a run's coverage data.

        Args:
            data: The files that the run left; more than one where its processes wrote their own.
        """
        if not data or not self._has("coverage"):
            return []
        coverage = [PYTHON, "-m", "coverage"]
        parts = [[*coverage, "combine", "-q"]] if any(file.name != DATA for file in data) else []
        written = f"{self.reports}/{COVERAGE}"
        return [*parts, [*coverage, "xml", "-q", "-o", written], [*coverage, "report", "--skip-covered"]]

    def _pytest(self, rest: list[str]) -> list[str]:
        report = f"--junitxml={self.reports}/{JUNIT}"
        if self._has("pytest_cov"):
            # Two tracers would take the data from one another, and the service's own options may start this one.
            return [PYTHON, "-m", "pytest", "--cov", "--cov-report=", report, *rest]
        return self._python(["-m", "pytest", report, *rest])

    def _python(self, rest: list[str]) -> list[str]:
        if rest[:2] == [self.manage, "test"] and not any(word.startswith("--testrunner") for word in rest):
            rest = [*rest[:2], "--testrunner=django_junit.Runner", *rest[2:]]
        tracer = ["-m", "coverage", "run"] if self._has("coverage") else []
        return [PYTHON, *tracer, *rest]

    def _has(self, module: str) -> bool:
        return (self.packages / module).is_dir()
