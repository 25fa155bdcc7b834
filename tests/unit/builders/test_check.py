from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType

FILE = Path(__file__).parents[3] / "nix" / "build" / "builders" / "checks" / "check.py"


@pytest.fixture(scope="module")
def builder() -> ModuleType:
    """Load the builder under a name of its own, as `check` is short."""
    spec = importlib.util.spec_from_file_location("check_builder", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_counted_adds_up_suites(tmp_path: Path, builder: ModuleType) -> None:
    """The report of pytest has its suites in an outer element."""
    (tmp_path / "junit.xml").write_text(
        '<testsuites><testsuite tests="3" failures="1" errors="0" skipped="1"/><testsuite tests="2"/></testsuites>'
    )

    assert builder.counted(tmp_path) == {"tests": 5, "failures": 1, "errors": 0, "skipped": 1}


def test_covered_is_the_line_rate(tmp_path: Path, builder: ModuleType) -> None:
    """Coverage is the share of lines."""
    (tmp_path / "coverage.xml").write_text('<coverage line-rate="0.875"/>')

    assert builder.covered(tmp_path) == 0.875


def test_missing_reports_are_none(tmp_path: Path, builder: ModuleType) -> None:
    """A command that writes no reports leaves the numbers open instead of at nought."""
    assert builder.counted(tmp_path) is None
    assert builder.covered(tmp_path) is None


def test_the_service_is_copied_to_be_written_to(
    tmp_path: Path, builder: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tests may write beside the sources, which are read-only in the store; links stay links."""
    source = tmp_path / "source"
    (source / "shop").mkdir(parents=True)
    (source / "shop" / "views.py").touch(mode=0o444)
    (source / "link").symlink_to("/nowhere")
    for folder in (source / "shop", source):
        folder.chmod(0o555)
    (tmp_path / "build").mkdir()
    monkeypatch.chdir(tmp_path / "build")
    (tmp_path / "static" / "root" / "app" / "staticfiles").mkdir(parents=True)
    given = {"source": str(source), "static": str(tmp_path / "static"), "tree": "/tree", "frame": "/frame"}

    root = builder.set_up({**given, "environment": {}}, tmp_path / "out")

    copied = root.binds["/app"]
    assert {path.stat().st_mode & 0o200 for path in (copied, copied / "shop", copied / "shop" / "views.py")} == {0o200}
    assert (copied / "staticfiles").is_dir()
    assert (copied / "link").readlink() == Path("/nowhere")
    assert root.binds["/opt"] == Path("/frame/root/opt")
    assert root.binds["/reports"] == tmp_path / "out"
    assert root.binds["/estiba/junit_result.py"].exists()


def test_tests_see_what_the_commands_of_the_service_made(
    tmp_path: Path, builder: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that were prepared are in place of those they were made from, beside what is not in the image.

    Compiled messages are there, too, and do not hide what was prepared.
    """
    for name, file in (
        ("source", "tests.py"),
        ("source", "theme.css"),
        ("prepared", "theme.css"),
        ("prepared", "django.po"),
        ("catalogues", "django.mo"),
        ("catalogues", "django.po"),
    ):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / file).write_text(name)
    monkeypatch.chdir(tmp_path)
    given = {name: str(tmp_path / name) for name in ("source", "prepared", "catalogues")} | {"static": None}

    root = builder.set_up({**given, "tree": "/tree", "frame": "/frame", "environment": {}}, tmp_path / "out")

    made = {path.name: path.read_text() for path in root.binds["/app"].iterdir()}
    assert made == {
        "django.mo": "catalogues",
        "django.po": "prepared",
        "tests.py": "source",
        "theme.css": "prepared",
    }


@pytest.mark.parametrize(
    ("ran", "text", "code"),
    [
        ("0", "def test_a(): ...\n", 5),
        ("1", "def test_a(): ...\n", 0),
        ("0", "# Create your tests here.\n", 0),
        ("", "def test_a(): ...\n", 0),
    ],
)
def test_no_test_is_no_pass(tmp_path: Path, builder: ModuleType, *, ran: str, text: str, code: int) -> None:
    """Where there are tests and none ran, the check fails and names them; a command without a report is trusted."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "tests.py").write_text(text)
    if ran:
        (tmp_path / "junit.xml").write_text(f'<testsuites><testsuite tests="{ran}"/></testsuites>')
    suite = builder.Suite(source=tmp_path / "app", packages=tmp_path, manage="manage.py", reports="/reports")
    outcome = builder.Outcome(name="tests", code=0, seconds=1.0, log="tests.log")

    assert builder.refuse_none(outcome, suite, out=tmp_path, asked=["manage.py"]).code == code
    assert (tmp_path / "tests.log").exists() == (code == 5)


@pytest.mark.parametrize(
    ("asked", "packages", "code"),
    [(["pytest"], "", 5), (["pytest"], "pytest", 0), (["python", "manage.py", "test"], "", 0)],
)
def test_functions_for_a_pytest_that_is_not_there_are_no_pass(
    tmp_path: Path, builder: ModuleType, *, asked: list[str], packages: str, code: int
) -> None:
    """Django's runner, in its place, passes over them, also where it finds other tests."""
    (tmp_path / "app/shop/tests").mkdir(parents=True)
    (tmp_path / "app/shop/tests/test_models.py").write_text("class A:\n    def test_a(self): ...\n")
    (tmp_path / "app/shop/tests/test_views.py").write_text("def test_a(client): ...\n")
    (tmp_path / "lib" / packages).mkdir(parents=True)
    (tmp_path / "junit.xml").write_text(
        '<testsuite tests="1"><testcase classname="shop.tests.test_models.A" name="test_a"/></testsuite>'
    )
    suite = builder.Suite(source=tmp_path / "app", packages=tmp_path / "lib", manage="manage.py", reports="/reports")
    outcome = builder.Outcome(name="tests", code=0, seconds=1.0, log="tests.log")

    assert builder.refuse_none(outcome, suite, out=tmp_path, asked=asked).code == code
    assert builder.list_idle(suite, out=tmp_path) == ["shop/tests/test_views.py"]


@pytest.mark.parametrize(("log", "code"), [("Ran 0 tests in 0.000s\n\nOK\n", 5), ("Ran 1 test in 0.1s\n", 0), ("", 0)])
def test_no_test_of_unittest_is_no_pass(tmp_path: Path, builder: ModuleType, *, log: str, code: int) -> None:
    """It says how many ran, and ends with 0 for none before Python 3.12; other commands say nothing."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app/tests.py").write_text("def test_a(): ...\n")
    (tmp_path / "tests.log").write_text(log)
    suite = builder.Suite(source=tmp_path / "app", packages=tmp_path, manage="manage.py", reports="/reports")
    outcome = builder.Outcome(name="tests", code=0, seconds=1.0, log="tests.log")

    asked = ["python", "-m", "unittest"]
    assert builder.refuse_none(outcome, suite, out=tmp_path, asked=asked).code == code
