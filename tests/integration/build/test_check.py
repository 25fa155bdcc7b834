from __future__ import annotations

import json
import shutil
import subprocess
import uuid
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
from tests.services.harbour import invoke

if TYPE_CHECKING:
    from pathlib import Path

FAILING = '''"""A test that fails with the place where it does."""

from django.test import TestCase


class CargoTest(TestCase):
    """What the cargo is."""

    def test_cargo(self) -> None:
        """The cargo is not what was ordered."""
        self.assertEqual("bananas", "coal")

    def test_ballast(self) -> None:
        """This one holds."""
'''


@pytest.fixture
def copy(template: Path, tmp_path: Path) -> Path:
    """Return a copy of the service to change."""
    return shutil.copytree(template, tmp_path / "harbour", symlinks=True)


def check(folder: Path, *arguments: str) -> tuple[int, dict[str, Any], str]:
    """Run the checks; return the exit code, the JSON object and what was said."""
    done = invoke(folder, "check", "--json", *arguments, check=False)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout), done.stderr


def test_template_passes_and_is_not_checked_twice(template: Path) -> None:
    """A new service passes everything beside PostgreSQL and Redis; the second time nothing runs."""
    code, first, said = check(template)
    link = (template / ".estiba" / "checks").readlink()

    assert code == 0, said
    assert [entry["name"] for entry in first["checks"]] == ["deploy", "migrations", "tests"]
    assert first["tests"]["failures"] == first["tests"]["skipped"] == 0
    assert first["coverage"] > 0.8
    assert "ready to accept connections" in (template / "reports" / "postgresql.log").read_text().lower()

    _, second, _ = check(template)
    assert second == {**first, "cached": True}
    assert (template / ".estiba" / "checks").readlink() == link


def test_again_runs_what_has_not_changed(copy: Path) -> None:
    """A run can be asked for although its inputs are known."""
    # No other checkout may have the same inputs, or its result would be kept for that one.
    (copy / "harbour" / "nonce.py").write_text(f'"""{uuid.uuid4()}."""\n')
    first = check(copy)[1]

    again = check(copy, "--again")[1]

    assert (first["cached"], again["cached"]) == (False, False)


def test_changed_code_is_checked_and_changed_back_is_known(copy: Path) -> None:
    """What has been checked is told by content: a changed file is checked anew, and changed back it is known again."""
    first = check(copy)[1]
    views = copy / "harbour" / "views.py"
    before = views.read_text()

    # Never the same, or a store that has seen this test before would know the result.
    views.write_text(f"{before}\n# {uuid.uuid4()}\n")
    changed = check(copy)[1]
    views.write_text(before)
    back = check(copy)[1]

    assert changed["passed"]
    assert changed["cached"] is False
    assert back["cached"] is True
    assert back["tests"] == first["tests"]


def test_failing_test_shows_its_traceback_and_leaves_reports(copy: Path) -> None:
    """The traceback is on the terminal, the reports are where CI takes them, and the exit code is not 0."""
    (copy / "tests" / "test_cargo.py").write_text(FAILING)

    code, result, said = check(copy)

    assert code == 1
    assert [entry["name"] for entry in result["checks"] if not entry["passed"]] == ["tests"]
    assert "AssertionError: 'bananas' != 'coal'" in said
    assert "tests/test_cargo.py" in said
    suite = ET.parse(copy / "reports" / "junit.xml").getroot()  # noqa: S314 - written by our own tests
    assert [case.get("name") for case in suite.iter("testcase") if case.find("failure") is not None] == ["test_cargo"]
    assert (copy / "reports" / "coverage.xml").exists()


def test_flake_check_fails_too(copy: Path) -> None:
    """`nix flake check` shows the end of the log."""
    (copy / "tests" / "test_cargo.py").write_text(FAILING)
    check(copy)
    argv = ["nix", "flake", "check", "--no-write-lock-file", f"path:{copy}"]

    done = subprocess.run(argv, capture_output=True, text=True, check=False)

    assert done.returncode != 0
    assert "AssertionError: 'bananas' != 'coal'" in done.stderr
    assert "failed: tests; all reports: /nix/store/" in done.stderr


def test_missing_migration_and_unsafe_settings_fail(copy: Path) -> None:
    """A model without its migration and a setting that Django warns about are both told in one run."""
    models = copy / "harbour" / "models.py"
    models.write_text(f'{models.read_text()}\n\nclass Crane(models.Model):\n    """A crane."""\n')
    settings = copy / "config" / "settings.py"
    settings.write_text(f"{settings.read_text()}\nSESSION_COOKIE_SECURE = False\n")

    code, result, said = check(copy)

    assert code == 1
    failed = {entry["name"] for entry in result["checks"] if not entry["passed"]}
    assert {"deploy", "migrations"} <= failed
    assert "security.W012" in said
    assert "Create model Crane" in said
    assert "python manage.py makemigrations" in said


def test_django_runner_is_reported_without_pytest(copy: Path) -> None:
    """Django's own runner leaves the same reports as pytest."""
    pyproject = copy / "pyproject.toml"
    command = '[tool.estiba]\ntest-command = ["python", "manage.py", "test", "tests.test_cargo"]'
    pyproject.write_text(pyproject.read_text().replace("[tool.estiba]\n", f"{command}\n"))
    (copy / "tests" / "__init__.py").touch()
    (copy / "tests" / "test_cargo.py").write_text(FAILING)

    code, result, said = check(copy)

    assert code == 1, said
    assert result["tests"] == {"errors": 0, "failures": 1, "skipped": 0, "tests": 2}
    assert result["coverage"] is not None
    assert 'tests/test_cargo.py", line 11, in test_cargo' in said
