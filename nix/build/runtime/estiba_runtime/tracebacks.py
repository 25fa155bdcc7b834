"""Tracebacks of requests that failed, for services whose logging sends them nowhere.

With `DEBUG = False` Django's own logging configuration has two handlers: one that mails the administrators, of whom
most services name none, and one that is for `DEBUG = True` alone. So a page that answers 500 leaves no trace.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import sys
import traceback
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOGGER: Final = "django.request"
_SILENT: Final = frozenset({"AdminEmailHandler", "NullHandler", "SMTPHandler", "SysLogHandler"})
"""Handlers that leave nothing in the log of the process: mail, and a system log, which a container has not."""


def install() -> None:
    """Write the traceback of each request that ends in an exception to standard error, where no handler does."""
    # Without Django there is nothing to listen to, and the server will say what is missing.
    with contextlib.suppress(ImportError):
        importlib.import_module("django.core.signals").got_request_exception.connect(report, weak=False)


def report(request: Any = None, **_: object) -> None:  # noqa: ANN401 - Django's, which is not installed where this is checked
    """Write the traceback of the exception that is handled, unless a handler of the service's logging will."""
    kind, error, trace = sys.exc_info()
    if kind is None or any(_takes(handler) for handler in _handlers(logging.getLogger(_LOGGER))):
        return
    place = f"{request.method} {request.path}" if request is not None else "a request"
    text = "".join(traceback.format_exception(kind, error, trace))
    # In one piece, so that lines of other threads are not in between.
    sys.stderr.write(f"estiba: {place} failed\n{text}")
    sys.stderr.flush()


def _handlers(logger: logging.Logger | None) -> Iterator[logging.Handler]:
    """Yield the handlers that an error of a logger reaches."""
    if logger is None or not logger.isEnabledFor(logging.ERROR):
        return
    yield from logger.handlers
    if logger.propagate:
        yield from _handlers(logger.parent)


def _takes(handler: logging.Handler) -> bool:
    """Tell whether a handler writes errors to a stream, a file, or a server of logs."""
    record = logging.LogRecord(_LOGGER, logging.ERROR, __file__, 1, "", (), None)
    return (
        not any(kind.__name__ in _SILENT for kind in type(handler).__mro__)
        and handler.level <= logging.ERROR
        and bool(handler.filter(record))
    )
