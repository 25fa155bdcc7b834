"""Options of the test run: integration tests on demand, and no skips where everything is promised."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from xdist.scheduler import LoadFileScheduling

if TYPE_CHECKING:
    from collections.abc import Generator

    from xdist.remote import Producer

REQUIRE = os.environ.get("ESTIBA_REQUIRE") == "1"
INTEGRATION = Path(__file__).parent / "integration"
CLUSTER = (("integration", "cluster"), ("integration", "kubernetes"))
LAST = "test_fresh_machine.py"
"""The whole way on a machine of its own: after every test that tells more closely what is wrong."""


def pytest_configure() -> None:
    """Hear SIGINT and SIGQUIT: a shell's background job ignores them, and so would every program of the tests."""
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGQUIT, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--run-integration`."""
    parser.addoption("--run-integration", action="store_true", help="also run tests with the real tools")


class Scheduler(LoadFileScheduling):  # type: ignore[misc]  # it has no types
    """Gives each file to one worker, and those of the cluster to the same, so that there is one cluster."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "cluster" if Path(file).parent.parts[-2:] in CLUSTER else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduler:
    """Schedule by files."""
    return Scheduler(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what lies in `integration/`, run it last, and only when asked."""
    for item in items:
        if INTEGRATION in item.path.parents:
            item.add_marker("integration")
    slow = [item for item in items if item.get_closest_marker("integration")]
    slow.sort(key=lambda item: item.path.name == LAST)
    fast = [item for item in items if not item.get_closest_marker("integration")]
    items[:] = fast + slow
    if not config.getoption("--run-integration") and slow:
        config.hook.pytest_deselected(items=slow)
        items[:] = fast


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None, None, None]:
    """Remove the folder of this run, with the one of all runs when it is empty; after a failure it is evidence."""
    yield
    # A worker's folder, which is given to it, lies in that of the run.
    if session.testsfailed or session.config.getoption("basetemp"):
        return
    # Not by a fixture: where workers run the tests, this process runs none.
    folder = vars(session.config)["_tmp_path_factory"].getbasetemp()
    subprocess.run(["chmod", "--recursive", "u+rwX", str(folder)], check=False, stderr=subprocess.DEVNULL)
    shutil.rmtree(folder, ignore_errors=True)
    newest = folder.parent / "pytest-current"
    if not newest.exists():
        newest.unlink(missing_ok=True)
    with suppress(OSError):
        folder.parent.rmdir()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure where the environment promises that nothing is missing."""
    report = yield
    if REQUIRE and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: ESTIBA_REQUIRE=1 allows no skip: {reason}"
    return report
