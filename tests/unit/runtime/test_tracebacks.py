from __future__ import annotations

import logging
import logging.handlers
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from estiba_runtime import tracebacks

if TYPE_CHECKING:
    from collections.abc import Iterator

REQUEST = SimpleNamespace(method="GET", path="/broken")


class AdminEmailHandler(logging.Handler):
    """Django's, by its name."""


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    """Return Django's logger, alone, and put it back."""
    found = logging.getLogger("django.request")
    before = (found.propagate, found.handlers[:], found.level)
    found.propagate, found.handlers[:] = False, []
    yield found
    found.propagate, found.handlers[:] = before[0], before[1]
    found.setLevel(before[2])


def fail(capsys: pytest.CaptureFixture[str]) -> str:
    """Return what is said of a failed request."""
    try:
        raise ValueError("broken")  # noqa: TRY301 - the text is what the test looks for
    except ValueError:
        tracebacks.report(request=REQUEST)
    return capsys.readouterr().err


def test_failed_request_is_told(logger: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    """Django's own configuration writes nothing with DEBUG = False: a handler of mail, and one that is filtered out."""
    filtered = logging.StreamHandler()
    filtered.addFilter(lambda _: False)
    syslog = logging.handlers.SysLogHandler("/nowhere")
    logger.handlers[:] = [AdminEmailHandler(), logging.NullHandler(), syslog, filtered]

    said = fail(capsys)

    assert said.startswith("estiba: GET /broken failed\nTraceback (most recent call last):")
    assert said.endswith("ValueError: broken\n")


def test_service_that_logs_is_left_alone(logger: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    """A handler of its own is enough; one that only takes worse is none."""
    logger.handlers[:] = [logging.StreamHandler()]
    assert fail(capsys) == ""
    logger.handlers[0].setLevel(logging.CRITICAL)
    assert "ValueError: broken" in fail(capsys)


def test_disabled_logger_is_no_wish_for_silence(logger: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    """A level above errors leaves the traceback to standard error."""
    logger.handlers[:] = [logging.StreamHandler()]
    logger.setLevel(logging.CRITICAL)
    assert "ValueError: broken" in fail(capsys)
