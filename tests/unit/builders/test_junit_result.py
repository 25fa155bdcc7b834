from __future__ import annotations

import unittest
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from junit_result import REPORT, Recorded

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def report(case: type[unittest.TestCase], file: Path, monkeypatch: pytest.MonkeyPatch) -> ET.Element:
    """Run the tests of a class and return the report."""
    monkeypatch.setenv(REPORT, str(file))
    result = Recorded()
    result.startTestRun()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    result.stopTestRun()
    return ET.parse(file).getroot()  # noqa: S314 - written by ourselves


def test_every_outcome(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test is in the report with its outcome; expected failures count as passed, surprises as failures."""

    class Case(unittest.TestCase):
        def test_error(self) -> None:
            raise ValueError("\x1b[31mred\x1b[0m")

        @unittest.expectedFailure
        def test_expected(self) -> None:
            self.fail()

        def test_failure(self) -> None:
            self.fail("two is one")

        def test_good(self) -> None:
            pass

        @unittest.skip("not here")
        def test_skip(self) -> None:
            pass

        @unittest.expectedFailure
        def test_surprise(self) -> None:
            pass

    suite = report(Case, tmp_path / "junit.xml", monkeypatch)

    assert suite.attrib == {"name": "django", "tests": "6", "errors": "1", "failures": "2", "skipped": "1"}
    assert {case.get("name"): [(child.tag, child.get("message")) for child in case] for case in suite} == {
        "test_error": [("error", "ValueError: [31mred[0m")],
        "test_expected": [],
        "test_failure": [("failure", "AssertionError: two is one")],
        "test_good": [],
        "test_skip": [("skipped", "not here")],
        "test_surprise": [("failure", "unexpected success")],
    }


def test_failed_subtests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed subtest stands for its test, with its parameters."""

    class Case(unittest.TestCase):
        def test_many(self) -> None:
            for price in (0.5, 1.0, 1.5):
                with self.subTest(price=price):
                    assert price < 1

    suite = report(Case, tmp_path / "junit.xml", monkeypatch)

    assert [case.get("name") for case in suite] == ["test_many (price=1.0)", "test_many (price=1.5)"]
    assert suite.get("failures") == "2"


def test_a_class_that_cannot_be_set_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its error is reported although none of its tests ran."""

    class Case(unittest.TestCase):
        @classmethod
        def setUpClass(cls) -> None:
            raise OSError("no database")

        def test_never(self) -> None:
            pass

    suite = report(Case, tmp_path / "junit.xml", monkeypatch)

    assert (suite.get("tests"), suite.get("errors")) == ("1", "1")
    assert [child.get("message") for case in suite for child in case] == ["OSError: no database"]
