"""Builder: a service's checks, run in its own root beside real PostgreSQL and Redis; their outcome is the result.

A failed check is an outcome like any other, so that its reports are kept; `verdict.py` makes a failed build of it.
"""

import json
import re
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import attrs
import build_root
import overlay
import services
from bench import Bench, Outcome
from junit_result import REPORT
from root import Root
from testing import COVERAGE, DATA, JUNIT, PYTHON, Suite

RESULT = "result.json"
"""What the checks came to, for programs."""

_NO_TESTS = 5
_RAN = re.compile(r"^Ran (\d+) tests? in ", re.MULTILINE)
_REPORTS = "/reports"
_SHOWN = 3
_RUNNER = (Path(__file__).with_name("django_junit.py"), Path(__file__).with_name("junit_result.py"))
_DRIVERS = "/estiba"


def main() -> None:
    """Build the derivation."""
    given = attrs.load()
    out = attrs.output(given)
    out.mkdir()
    root = set_up(given, out)
    try:
        outcomes = run_all(given, root, out)
    except services.ServiceError as error:
        sys.exit(f"check: {error}")
    root.give_back()
    result = {
        "checks": [asdict(outcome) for outcome in outcomes],
        "coverage": covered(out),
        "idle": list_idle(find_suite(given), out=out),
        "tests": counted(out),
    }
    (out / RESULT).write_text(json.dumps(result, sort_keys=True, indent=1) + "\n")


def set_up(given: dict[str, Any], out: Path) -> Root:
    """Put the root together: a copy of the service that tests may write to, the reports, and our test runner."""
    application = Path.cwd() / "app"
    # As in the image: pages name static files by the manifest that collecting them wrote.
    if given["static"] and (collected := Path(given["static"], "root/app")).is_dir():
        overlay.fill(application, collected)
    for path in filter(None, (given.get("prepared"), given.get("catalogues"), given["source"])):
        overlay.fill(application, Path(path))
    return build_root.assemble(
        Path(given["tree"]),
        binds={
            "/opt": Path(given["frame"], "root/opt"),
            "/app": application,
            _REPORTS: out,
            **{f"{_DRIVERS}/{file.name}": file for file in _RUNNER},
        },
        env=given["environment"],
    )


def run_all(given: dict[str, Any], root: Root, out: Path) -> list[Outcome]:
    """Start the services and run every check, also after one has failed."""
    ports = services.choose_port(5432), services.choose_port(6379)
    (programs,) = root.tree.glob("usr/lib/postgresql/*/bin")
    more = services.list_settings(root.tree)
    postgresql = services.postgresql(root, Path("/", programs.relative_to(root.tree)), ports[0], more)
    bench = Bench(root=root, out=out)
    env = {
        **services.environment(*ports),
        "COVERAGE_FILE": f"/tmp/{DATA}",  # noqa: S108 - inside a root of our own
        REPORT: f"{_REPORTS}/{JUNIT}",
        "PYTHONPATH": ":".join(filter(None, [given["environment"].get("PYTHONPATH"), _DRIVERS])),
        **given["override"],
    }
    manage = given["manage"]
    deploy = [PYTHON, manage, "check", "--deploy", "--fail-level", given["level"]]
    with services.running(root, [services.redis(ports[1]), postgresql], out):
        return [
            bench.check("deploy", deploy, env),
            bench.check("migrations", [PYTHON, manage, "makemigrations", "--check", "--dry-run"], env),
            _test(given, root, bench, env),
        ]


def covered(out: Path) -> float | None:
    """Return the share of lines that the tests ran, or None where it was not measured."""
    report = out / COVERAGE
    return float(ET.parse(report).getroot().get("line-rate", "0")) if report.exists() else None  # noqa: S314 - our own


def counted(out: Path) -> dict[str, int] | None:
    """Return how many tests there were, and how many of them failed or were skipped; None without a report."""
    report = out / JUNIT
    if not report.exists():
        return None
    suites = list(ET.parse(report).getroot().iter("testsuite"))  # noqa: S314 - written by our own tests
    names = ("tests", "failures", "errors", "skipped")
    return {name: sum(int(suite.get(name, "0")) for suite in suites) for name in names}


def find_suite(given: dict[str, Any]) -> Suite:
    """Return the service's tests."""
    (packages,) = Path(given["frame"], "root/opt/venv/lib").glob("python3*/site-packages")
    return Suite(source=Path(given["source"]), packages=packages, manage=given["manage"], reports=_REPORTS)


def list_idle(suite: Suite, *, out: Path) -> list[str]:
    """Return the files with tests of which none ran, where a report says which did."""
    if not (report := out / JUNIT).exists():
        return []
    cases = ET.parse(report).getroot().iter("testcase")  # noqa: S314 - written by our own tests
    return suite.find_idle({case.get("classname", "") for case in cases})


def refuse_none(outcome: Outcome, suite: Suite, *, out: Path, asked: list[str]) -> Outcome:
    """Return the outcome of the tests; where some that there are had no chance, it is that of pytest for no tests.

    Args:
        outcome: That of the command.
        suite: The service's tests.
        out: Folder of the reports.
        asked: The command in `[tool.estiba] test-command`.
    """
    files = _find_missed(outcome, suite, out=out, asked=asked) if outcome.code == 0 else []
    if not files:
        return outcome
    more = f" and {len(files) - _SHOWN} more" if len(files) > _SHOWN else ""
    text = (
        f"no test ran of those in {', '.join(files[:_SHOWN])}{more}\n"
        "pytest runs if it is locked: in the dependency group dev or test, or in one that [tool.estiba] groups names"
        " (extras of [project.optional-dependencies] are not locked; NAME[EXTRA] in a group takes them in)\n"
    )
    sys.stderr.write(text)
    with (out / outcome.log).open("a") as log:
        log.write(text)
    return replace(outcome, code=_NO_TESTS)


def _find_missed(outcome: Outcome, suite: Suite, *, out: Path, asked: list[str]) -> list[str]:
    counts = counted(out)
    if counts is None:
        # unittest says how many, and before Python 3.12 that none is a success.
        log = out / outcome.log
        found = _RAN.findall(log.read_text(errors="replace")) if log.exists() else []
        return suite.find_tests() if found and not any(map(int, found)) else []
    if not counts["tests"]:
        return suite.find_tests()
    # Django's runner knows classes alone: it passes over functions of files that were written for pytest.
    return list_idle(suite, out=out) if suite.lacks_runner(asked) else []


def _test(given: dict[str, Any], root: Root, bench: Bench, env: dict[str, str]) -> Outcome:
    suite = find_suite(given)
    outcome = bench.check("tests", suite.command(given["test"]), env)
    outcome = refuse_none(outcome, suite, out=bench.out, asked=given["test"])
    data = sorted((root.top / "tmp").glob(f"{DATA}*"))
    for command in suite.coverage_commands(data):
        bench.run("coverage", command, env)
    return outcome


if __name__ == "__main__":
    main()
