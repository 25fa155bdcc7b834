"""Options of the test run: integration tests on demand, and no skips where everything is promised."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

REQUIRE = os.environ.get("ESTIBA_REQUIRE") == "1"
INTEGRATION = Path(__file__).parent / "integration"


def pytest_configure() -> None:
    """Hear Ctrl-C: a shell's background job ignores it, and so would every program that the tests interrupt."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--run-integration`."""
    parser.addoption("--run-integration", action="store_true", help="also run tests with the real tools")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what lies in `integration/`, run it last, and only when asked."""
    for item in items:
        if INTEGRATION in item.path.parents:
            item.add_marker("integration")
    slow = [item for item in items if item.get_closest_marker("integration")]
    fast = [item for item in items if not item.get_closest_marker("integration")]
    items[:] = fast + slow
    if not config.getoption("--run-integration") and slow:
        config.hook.pytest_deselected(items=slow)
        items[:] = fast


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure where the environment promises that nothing is missing."""
    report = yield
    if REQUIRE and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: ESTIBA_REQUIRE=1 allows no skip: {reason}"
    return report
