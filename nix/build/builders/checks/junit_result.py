"""A test result of unittest that writes JUnit XML, which pytest does by itself; standard library alone."""

import os
import re
import time
import unittest
from xml.etree import ElementTree as ET

REPORT = "ESTIBA_JUNIT"
"""The environment variable with the report's path."""

# What XML 1.0 cannot hold, such as the colours of a terminal.
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Recorded(unittest.TestResult):
    """A test result that writes a report at the end of the run; goes before the runner's own result class."""

    seconds: dict[str, float]
    began: float

    def startTestRun(self) -> None:  # noqa: N802 - unittest's name
        """Begin to collect."""
        self.seconds = {}
        super().startTestRun()

    def startTest(self, test: unittest.TestCase) -> None:  # noqa: N802 - unittest's name
        """Note when a test began."""
        self.began = time.monotonic()
        super().startTest(test)

    def stopTest(self, test: unittest.TestCase) -> None:  # noqa: N802 - unittest's name
        """Note how long a test took."""
        super().stopTest(test)
        self.seconds[test.id()] = time.monotonic() - self.began

    def stopTestRun(self) -> None:  # noqa: N802 - unittest's name
        """Write the report."""
        super().stopTestRun()
        ET.ElementTree(self.report()).write(os.environ[REPORT], encoding="utf-8", xml_declaration=True)

    def report(self) -> ET.Element:
        """Return the outcome of every test, and of every class or module that could not be set up."""
        unexpected = [(test, "unexpected success") for test in self.unexpectedSuccesses]
        found = {"error": self.errors, "failure": [*self.failures, *unexpected], "skipped": self.skipped}
        named = [(test.id(), kind, text) for kind, entries in found.items() for test, text in entries]
        # A failed subtest has the name of its test and its parameters behind that.
        told = {name.partition(" (")[0] for name, _, _ in named}
        passed = [(name, "", "") for name in self.seconds if name not in told]
        counts = {"errors": "error", "failures": "failure", "skipped": "skipped"}
        totals = {key: str(len(found[kind])) for key, kind in counts.items()}
        suite = ET.Element("testsuite", {"name": "django", "tests": str(len(named) + len(passed)), **totals})
        for name, kind, text in sorted(named + passed):
            case = ET.SubElement(suite, "testcase", _place(name), time=f"{self.seconds.get(name, 0):.3f}")
            if kind:
                clean = _ILLEGAL.sub("", text).strip()
                ET.SubElement(case, kind, message=clean.rpartition("\n")[2]).text = clean
        return suite


def _place(name: str) -> dict[str, str]:
    path, space, parameters = name.partition(" ")
    place, _, short = path.rpartition(".")
    return {"classname": place, "name": f"{short}{space}{parameters}"}
