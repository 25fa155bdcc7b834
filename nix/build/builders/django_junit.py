"""The service's own Django test runner, which also writes JUnit XML; runs inside the service's root.

pytest writes such a report by itself, unittest cannot.
"""

import os
import re
import time
import unittest
from typing import Any
from xml.etree import ElementTree as ET

from django.conf import settings
from django.test.utils import get_runner

REPORT = "ESTIBA_JUNIT"
"""The environment variable with the report's path."""

# What XML 1.0 cannot hold, such as the colours of a terminal.
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def recording(base: type[unittest.TestResult]) -> type[unittest.TestResult]:
    """Make a test result that also notes every outcome and writes the report at the end of the run."""

    class Recording(base):  # type: ignore[valid-type,misc]
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            self._suite = ET.Element("testsuite", name="django")
            self._began = time.monotonic()

        def startTest(self, test: unittest.TestCase) -> None:
            self._began = time.monotonic()
            super().startTest(test)

        def addSuccess(self, test: unittest.TestCase) -> None:
            super().addSuccess(test)
            self._note(test)

        def addError(self, test: unittest.TestCase, err: Any) -> None:
            super().addError(test, err)
            self._note(test, "error", self.errors[-1][1])

        def addFailure(self, test: unittest.TestCase, err: Any) -> None:
            super().addFailure(test, err)
            self._note(test, "failure", self.failures[-1][1])

        def addSkip(self, test: unittest.TestCase, reason: str) -> None:
            super().addSkip(test, reason)
            self._note(test, "skipped", reason)

        def addExpectedFailure(self, test: unittest.TestCase, err: Any) -> None:
            super().addExpectedFailure(test, err)
            self._note(test, "skipped", "expected failure")

        def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:
            super().addUnexpectedSuccess(test)
            self._note(test, "failure", "unexpected success")

        def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, err: Any) -> None:
            super().addSubTest(test, subtest, err)
            if err is not None:
                failed = issubclass(err[0], test.failureException)
                text = (self.failures if failed else self.errors)[-1][1]
                self._note(subtest, "failure" if failed else "error", text)

        def stopTestRun(self) -> None:
            super().stopTestRun()
            ET.ElementTree(self._suite).write(os.environ[REPORT], encoding="utf-8", xml_declaration=True)

        def _note(self, test: unittest.TestCase, outcome: str = "", text: str = "") -> None:
            place, _, name = test.id().rpartition(".")
            seconds = f"{time.monotonic() - self._began:.3f}"
            case = ET.SubElement(self._suite, "testcase", classname=place, name=name, time=seconds)
            if outcome:
                clean = _ILLEGAL.sub("", text)
                lines = clean.strip().splitlines()
                ET.SubElement(case, outcome, message=lines[-1] if lines else "").text = clean
            self._count(outcome)

        def _count(self, outcome: str) -> None:
            for name in ("tests", {"error": "errors", "failure": "failures"}.get(outcome, outcome)):
                if name:
                    self._suite.set(name, str(int(self._suite.get(name, "0")) + 1))

    return Recording


class Runner(get_runner(settings, settings.TEST_RUNNER)):  # type: ignore[misc]
    """The runner that the service's settings name, with the report added."""

    def get_resultclass(self) -> type[unittest.TestResult]:
        """Return the result class that the runner would use, recording."""
        return recording(super().get_resultclass() or unittest.TextTestResult)
