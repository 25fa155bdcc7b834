"""The service's own Django test runner, which also writes JUnit XML; runs inside the service's root.

pytest writes such a report by itself, unittest cannot.
"""

import os
import re
import time
import unittest
from xml.etree import ElementTree as ET

from django.conf import settings
from django.test.utils import get_runner

REPORT = "ESTIBA_JUNIT"
"""The environment variable with the report's path."""

# What XML 1.0 cannot hold, such as the colours of a terminal.
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Recorded(unittest.TestResult):
    """A test result that writes a report at the end of the run; goes before the runner's own result class."""

    seconds: dict[str, float]
    began: float

    def startTest(self, test: unittest.TestCase) -> None:  # noqa: N802 - unittest's name
        """Note when a test began."""
        self.began = time.monotonic()
        super().startTest(test)

    def stopTest(self, test: unittest.TestCase) -> None:  # noqa: N802 - unittest's name
        """Note how long a test took."""
        super().stopTest(test)
        self.seconds = {**getattr(self, "seconds", {}), test.id(): time.monotonic() - self.began}

    def stopTestRun(self) -> None:  # noqa: N802 - unittest's name
        """Write the report."""
        super().stopTestRun()
        ET.ElementTree(self.report()).write(os.environ[REPORT], encoding="utf-8", xml_declaration=True)

    def report(self) -> ET.Element:
        """Return the outcome of every test, and of every class or module that could not be set up."""
        seconds = getattr(self, "seconds", {})
        problems = {
            "error": [(test.id(), text) for test, text in self.errors],
            "failure": [(test.id(), text) for test, text in self.failures]
            + [(test.id(), "unexpected success") for test in self.unexpectedSuccesses],
            "skipped": [(test.id(), text) for test, text in self.skipped],
        }
        named = [(name, kind, text) for kind, entries in problems.items() for name, text in entries]
        # A failed subtest has the name of its test and its parameters behind that.
        told = {name.partition(" (")[0] for name, _, _ in named}
        passed = [(name, "", "") for name in seconds if name not in told]
        counts = {"errors": "error", "failures": "failure", "skipped": "skipped"}
        totals = {key: str(len(problems[kind])) for key, kind in counts.items()}
        suite = ET.Element("testsuite", {"name": "django", "tests": str(len(named) + len(passed)), **totals})
        for name, kind, text in sorted(named + passed):
            path, space, parameters = name.partition(" ")
            place, _, short = path.rpartition(".")
            attributes = {"classname": place, "name": f"{short}{space}{parameters}"}
            case = ET.SubElement(suite, "testcase", {**attributes, "time": f"{seconds.get(name, 0):.3f}"})
            if kind:
                clean = _ILLEGAL.sub("", text).strip()
                ET.SubElement(case, kind, message=clean.rpartition("\n")[2]).text = clean
        return suite


class Runner(get_runner(settings, settings.TEST_RUNNER)):  # type: ignore[misc]
    """The runner that the service's settings name, with the report added."""

    def get_resultclass(self) -> type[unittest.TestResult]:
        """Return the result class that the runner would use, recorded."""
        own = super().get_resultclass() or unittest.TextTestResult
        return type("Recording", (Recorded, own), {})
