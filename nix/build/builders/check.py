"""Builder: a service's checks, run in its own root beside real PostgreSQL and Redis; their outcome is the result.

A failed check is an outcome like any other, so that its reports are kept; `verdict.py` turns it into a failed build.
"""

import json
import shutil
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any
from xml.etree import ElementTree as ET

import attrs
import services
from django_place import find_packages
from root import Root
from testing import COVERAGE, JUNIT, PYTHON, Testing

_REPORTS = "/reports"
_DRIVERS = "/estiba"
_DATABASE_PROGRAMS = "usr/lib/postgresql"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one check ended: its name, the exit code, the time it took, and the file name of its log."""

    name: str
    code: int
    seconds: float
    log: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Where checks run.

    Attributes:
        root: The service's root, with the folder for reports bound into it.
        env: The environment variables of all checks.
        out: The folder for reports.
    """

    root: Root
    env: dict[str, str]
    out: Path

    def check(self, name: str, argv: list[str], *, after: list[list[str]] | None = None) -> Outcome:
        """Run one check, with its output in a file and in the build's log; then what makes reports of it."""
        sys.stderr.write(f"check {name}: running\n")
        sys.stderr.flush()
        began = time.monotonic()
        log = f"{name}.log"
        with (self.out / log).open("wb") as file:
            code = self._run(argv, file)
            for command in after or []:
                self._run(command, file)
        seconds = round(time.monotonic() - began, 2)
        sys.stderr.write(f"check {name}: {'passed' if code == 0 else f'failed with {code}'} in {seconds} s\n")
        return Outcome(name=name, code=code, seconds=seconds, log=log)

    def _run(self, argv: list[str], file: IO[bytes]) -> int:
        with self.root.popen(argv, cwd="/app", env=self.env, output=file) as child:
            return child.wait()
