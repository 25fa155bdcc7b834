"""Lines of a service's logs: statuses of requests, and exceptions.

Objects of JSON have the names of Estiba's own formats, or those of the Elastic Common Schema.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FAILURE: Final = 500
"""Lowest HTTP status of a server error (RFC 9110, 15.6)."""

_BEGIN: Final = "Traceback (most recent call last):"
_CHAINED: Final = re.compile(r"During handling of the above exception|The above exception was the direct cause")
_APPLYING: Final = re.compile(r"^ *Applying ([\w.]+)\.\.\.", re.MULTILINE)
_APPLIED: Final = re.compile(r"(?:^| )OK$", re.MULTILINE)
_UNAPPLIED: Final = re.compile(r"^ *Unapplying ([\w.]+)\.\.\. OK", re.MULTILINE)
_ACCESS: Final = re.compile(r'"[A-Z]+ \S+ HTTP/[\d.]+" (\d{3}) ')
"""Request and status in a line of the Common Log Format, which gunicorn writes too."""


def find_status(line: str) -> int:
    """Return the status of a request in a line of an access log, JSON or Common Log Format; 0 for another line."""
    fields = parse(line)
    status = fields.get("status", _find(fields, "http", "response", "status_code"))
    if isinstance(status, int):
        return status
    found = _ACCESS.search(line)
    return int(found[1]) if found else 0


def find_exceptions(lines: Iterable[str]) -> list[str]:
    """Return the last line of each traceback, in lines of text and in the `exception` or `error` of JSON objects.

    Of chained exceptions only the last one counts, which is the one that nobody has handled.
    """
    found: list[str] = []
    is_inside = False
    for line in lines:
        fields = parse(line)
        if isinstance(name := _find(fields, "error", "type"), str):
            found.append(f"{name}: {_find(fields, 'error', 'message') or ''}".rstrip(": "))
        elif (text := fields.get("exception")) and isinstance(text, str):
            # A formatter may cut a traceback short, so its last line is taken as it is.
            found += find_exceptions(text.splitlines()) or text.splitlines()[-1:]
        elif line == _BEGIN:
            is_inside = True
        elif is_inside and line and not line.startswith((" ", "\t")):
            is_inside = False
            found.append(line.strip())
        elif found and _CHAINED.match(line):
            found.pop()
    return found


def find_begun(output: str) -> tuple[str, ...]:
    """Return the migrations that `manage.py migrate` has begun to apply, as `app.name`."""
    return tuple(_APPLYING.findall(output))


def find_applied(output: str) -> tuple[str, ...]:
    """Return the migrations that `manage.py migrate` reports as applied, as `app.name`.

    One that prints something has it between its name and its `OK`.
    """
    parts = _APPLYING.split(output)
    return tuple(name for name, said in zip(parts[1::2], parts[2::2], strict=True) if _APPLIED.search(said))


def _find(fields: Mapping[str, Any], *names: str) -> Any:  # noqa: ANN401 - what a line has
    """Return what stands below names, one in the other, or None."""
    found: Any = fields
    for name in names:
        found = found.get(name) if isinstance(found, dict) else None
    return found


def find_unapplied(output: str) -> tuple[str, ...]:
    """Return the migrations that `manage.py migrate APP NAME` reports as taken back, as `app.name`."""
    return tuple(_UNAPPLIED.findall(output))


def parse(line: str) -> dict[str, Any]:
    """Return the JSON object in a line, an empty one for another line."""
    if line.startswith("{"):
        with suppress(ValueError, RecursionError):
            found = json.loads(line)
            return found if isinstance(found, dict) else {}
    return {}
