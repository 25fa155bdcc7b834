"""The command that runs a service's tests, so that it also writes the reports that CI systems read."""

import configparser
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

_TEST = re.compile(rb"^\s*(async )?def test", re.MULTILINE)
# Those of pytest, and of Django's own runner.
_TEST_FILES = ("test*.py", "*_test.py")
PYTHON = "/opt/venv/bin/python"
JUNIT = "junit.xml"
"""Report of the single tests."""

COVERAGE = "coverage.xml"
"""Report of the lines that ran, in Cobertura's format."""

DATA = ".coverage"
"""Where coverage keeps its data, in the temporary folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A service's tests, and what its environment offers for running them.

    Attributes:
        source: The service's files.
        packages: The `site-packages` folder of the environment.
        manage: Path of manage.py in the service.
        reports: The folder for reports, as the tests see it.
    """

    source: Path
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
                return self._pytest(rest) if self._has("pytest") else self._python([self.manage, "test", *self._labels])
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

    def find_tests(self) -> list[str]:
        """Return the files of the service that hold tests by their names and by what is in them, sorted."""
        files = (path for pattern in _TEST_FILES for path in self.source.rglob(pattern))
        named = (path for path in files if not {"node_modules", "site-packages"} & set(path.parts))
        found = {path for path in named if path.is_file() and _TEST.search(path.read_bytes())}
        return sorted(str(path.relative_to(self.source)) for path in found)

    def find_idle(self, ran: set[str]) -> list[str]:
        """Return the files that hold tests of which none ran.

        Args:
            ran: Classes and modules of the tests that ran, as reports name them; a runner may leave out folders above
                the one that it began in.
        """
        places = {place[:end] for place in (tuple(name.split(".")) for name in ran) for end in range(1, len(place) + 1)}
        return [name for name in self.find_tests() if places.isdisjoint(_endings(name))]

    def lacks_runner(self, given: list[str]) -> bool:
        """Tell whether the command in `[tool.estiba] test-command` asks for pytest, and Django's runner stands in."""
        return "pytest" in given[:3] and not self._has("pytest")

    def _pytest(self, rest: list[str]) -> list[str]:
        report = f"--junitxml={self.reports}/{JUNIT}"
        chosen = chooses_files(self.source)
        if self._has("pytest_cov"):
            # Two tracers would take the data from one another, and the service's own options may start this one.
            return [PYTHON, "-m", "pytest", "--cov" if chosen else "--cov=.", "--cov-report=", report, *rest]
        return self._python(["-m", "pytest", report, *rest])

    def _python(self, rest: list[str]) -> list[str]:
        if rest[:2] == [self.manage, "test"] and not any(word.startswith("--testrunner") for word in rest):
            rest = [*rest[:2], "--testrunner=django_junit.Runner", *rest[2:]]
        # It runs files and modules, but no code that is given as an argument.
        is_measurable = rest[:1] == ["-m"] or not rest[:1] or not rest[0].startswith("-")
        if not self._has("coverage") or not is_measurable:
            return [PYTHON, *rest]
        return [PYTHON, "-m", "coverage", "run", *([] if chooses_files(self.source) else ["--source=."]), *rest]

    @property
    def _labels(self) -> list[str]:
        """Where Django's runner looks for tests: it would not look below a folder that is no package."""
        folder = str(Path(self.manage).parent)
        return [] if folder == "." else [folder]

    def _has(self, module: str) -> bool:
        return (self.packages / module).is_dir()


def _endings(name: str) -> list[tuple[str, ...]]:
    """Return the names that the module of a file may have: one without a folder's name is taken for no other file's."""
    parts = Path(name).with_suffix("").parts
    return [parts[start:] for start in range(max(1, len(parts) - 1))]


def chooses_files(source: Path) -> bool:
    """Tell whether a service's configuration of coverage says which files to measure; else all of its own are."""
    sections = [_toml_section(source / "pyproject.toml")]
    for name, section in ((".coveragerc", "run"), ("setup.cfg", "coverage:run"), ("tox.ini", "coverage:run")):
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        parser.read(source / name, encoding="utf-8")
        sections.append(list(parser[section]) if parser.has_section(section) else [])
    return any(key in section for section in sections for key in ("source", "source_pkgs", "include"))


def _toml_section(file: Path) -> list[str]:
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    return list(tomllib.loads(text).get("tool", {}).get("coverage", {}).get("run", {}))
