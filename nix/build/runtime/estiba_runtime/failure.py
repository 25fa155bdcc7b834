"""Why the process cannot start, and how it says so without giving secrets away."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# The exit codes of sysexits.h, so that an orchestrator can tell a wrong setting from a database that is late.
EX_USAGE: Final = 64
EX_DATAERR: Final = 65
EX_UNAVAILABLE: Final = 69
EX_IOERR: Final = 74
EX_TEMPFAIL: Final = 75
EX_CONFIG: Final = 78

_USERINFO: Final = re.compile(r"://[^/@\s]*@")


class StartError(Exception):
    """The process cannot start; `code` is its exit code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def say(message: str) -> None:
    """Write one message to standard error."""
    sys.stderr.write(f"estiba: {message}\n")
    sys.stderr.flush()


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Return `text` without the given secrets and without the user part of URLs."""
    for secret in filter(None, secrets):
        text = text.replace(secret, "***")
    return _USERINFO.sub("://***@", text)


def parse_number(env: Mapping[str, str], name: str, default: float) -> float:
    """Read a number of at least 0 from the environment.

    Raises:
        StartError: It is something else.
    """
    text = env.get(name) or str(default)
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        message = f"{name} must be a number of at least 0, not {text!r}"
        raise StartError(message, EX_CONFIG)
    return number
