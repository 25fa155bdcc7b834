from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testing import PYTHON, Suite, chooses_files

if TYPE_CHECKING:
    from pathlib import Path

JUNIT = "--junitxml=/reports/junit.xml"
RUNNER = "--testrunner=django_junit.Runner"
COVERAGE = [PYTHON, "-m", "coverage"]
RUN = [*COVERAGE, "run", "--source=."]


def environment(folder: Path, *modules: str) -> Suite:
    """Return a service without configuration, in whose environment some modules are installed."""
    for module in modules:
        (folder / "packages" / module).mkdir(parents=True)
    return Suite(source=folder, packages=folder / "packages", manage="manage.py", reports="/reports")


@pytest.mark.parametrize(
    ("given", "modules", "expected"),
    [
        (["pytest", "-x"], ["pytest"], [PYTHON, "-m", "pytest", JUNIT, "-x"]),
        (["python", "-m", "pytest"], ["pytest", "coverage"], [*RUN, "-m", "pytest", JUNIT]),
        (
            ["pytest"],
            ["pytest", "coverage", "pytest_cov"],
            [PYTHON, "-m", "pytest", "--cov=.", "--cov-report=", JUNIT],
        ),
        (["pytest"], [], [PYTHON, "manage.py", "test", RUNNER]),
        (["pytest"], ["coverage"], [*RUN, "manage.py", "test", RUNNER]),
        (["python", "manage.py", "test", "shop"], ["coverage"], [*RUN, "manage.py", "test", RUNNER, "shop"]),
        (["./manage.py", "test", "--testrunner", "a.B"], [], [PYTHON, "manage.py", "test", "--testrunner", "a.B"]),
        (["python", "run_tests.py"], ["coverage"], [*RUN, "run_tests.py"]),
        (["python", "-c", "pass"], ["coverage"], [PYTHON, "-c", "pass"]),
        (["make", "test"], ["pytest", "coverage"], ["make", "test"]),
    ],
    ids=" ".join,
)
def test_command(tmp_path: Path, given: list[str], modules: list[str], expected: list[str]) -> None:
    """Reports are switched on for the runners that are known, as far as the environment can write them."""
    assert environment(tmp_path, *modules).command(given) == expected


def test_tests_are_looked_for_beside_manage(tmp_path: Path) -> None:
    """Django's runner does not look for tests below folders that are no packages, such as that of manage.py."""
    suite = Suite(source=tmp_path, packages=tmp_path, manage="site/manage.py", reports="/reports")

    assert suite.command(["pytest"]) == [PYTHON, "site/manage.py", "test", RUNNER, "site"]


def test_command_leaves_the_choice_of_files_to_the_service(tmp_path: Path) -> None:
    """A service that says what to measure is not overruled, with either tracer."""
    (tmp_path / ".coveragerc").write_text("[run]\nsource = shop\n")
    plain = environment(tmp_path / "plain", "pytest", "coverage")
    plugin = environment(tmp_path / "plugin", "pytest", "coverage", "pytest_cov")
    for suite in (plain, plugin):
        (suite.source / ".coveragerc").write_text("[run]\nsource = shop\n")

    assert plain.command(["pytest"]) == [*COVERAGE, "run", "-m", "pytest", JUNIT]
    assert plugin.command(["pytest"]) == [PYTHON, "-m", "pytest", "--cov", "--cov-report=", JUNIT]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("pyproject.toml", "[tool.coverage.run]\nsource = ['shop']\n", True),
        ("pyproject.toml", "[tool.coverage.run]\nbranch = true\n", False),
        ("pyproject.toml", "[project]\nname = 'shop'\n", False),
        (".coveragerc", "[run]\ninclude = shop/*\n", True),
        ("setup.cfg", "[coverage:run]\nsource_pkgs = shop\n", True),
        ("tox.ini", "[testenv]\nsource = shop\n", False),
        (".coveragerc", "[run]\nomit = 100%\n", False),
    ],
)
def test_chooses_files(tmp_path: Path, name: str, text: str, expected: bool) -> None:  # noqa: FBT001 - a table's column
    """The configuration is found in every file that coverage reads."""
    (tmp_path / name).write_text(text)

    assert chooses_files(tmp_path) is expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [([], []), ([".coverage"], ["xml", "report"]), ([".coverage.host.1.x"], ["combine", "xml", "report"])],
)
def test_coverage_commands(tmp_path: Path, data: list[str], expected: list[str]) -> None:
    """Data of many processes is joined first; without data there is no report."""
    commands = environment(tmp_path, "coverage").coverage_commands([tmp_path / name for name in data])

    assert [command[3] for command in commands] == expected


def test_no_coverage_commands_without_coverage(tmp_path: Path) -> None:
    """What is not installed is not called."""
    assert environment(tmp_path).coverage_commands([tmp_path / ".coverage"]) == []


def test_files_whose_tests_have_not_run_are_found(tmp_path: Path) -> None:
    """Pytest passes over tests.py and unknown endings; a runner that begins in a folder leaves its name out."""
    for name in ("site/shop/tests.py", "site/shop/test_cart.py", "site/shop/tests_api.py", "site/blog/tests.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("def test_a(): ...\n")
    ran = {"shop.test_cart.TestCart", "site.blog.tests"}

    assert environment(tmp_path).find_idle(ran) == ["site/shop/tests.py", "site/shop/tests_api.py"]
