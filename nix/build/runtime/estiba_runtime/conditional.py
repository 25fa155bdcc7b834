"""Conditional requests for files of a release, whose times say nothing of when they changed.

In an image a file's time follows from its content, or is that of all files of packages; on a host target those have the
time of the Nix store. A browser that asks `If-Modified-Since` would be told "not modified" of a file of the next
release that has an earlier time or the same one, as by Django's `serve` view, and of an ETag made of time and size, as
WhiteNoise makes it, that it is the same. Such conditions are left out, and the file is sent.
"""

from __future__ import annotations

import contextlib
import email.utils
import importlib
import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import MutableMapping

FIRST: Final = 2 * 86400 + 315532800
LAST: Final = FIRST + 30 * 365 * 86400
"""The times in an image, in seconds since 1970, as in `write_tar` of nix/build/builders/layers/entries.py."""

_SAME: Final = re.compile(rf'(W/)?"(1|{FIRST:x})-[0-9a-f]+"')
"""ETag of a time that all files have, in the Nix store or in layers of packages, and of a size."""


def install() -> None:
    """Look at the conditions of each request before Django and its middleware do."""
    # Without Django there is nothing to listen to, and the server will say what is missing.
    with contextlib.suppress(ImportError):
        importlib.import_module("django.core.signals").request_started.connect(forget, weak=False)


def forget(
    environ: MutableMapping[str, Any] | None = None, scope: MutableMapping[str, Any] | None = None, **_: object
) -> None:
    """Take the conditions out of a request that say nothing; Django makes its request of what is left.

    Args:
        environ: Of a request by WSGI (PEP 3333).
        scope: Of a request by ASGI.
    """
    for name, says_nothing in (("if-modified-since", _is_made), ("if-none-match", _SAME.fullmatch)):
        variable = f"HTTP_{name.upper().replace('-', '_')}"
        if environ is not None and says_nothing(environ.get(variable, "")):
            del environ[variable]
        if scope is not None:
            scope["headers"] = [
                (key, value)
                for key, value in scope["headers"]
                if key != name.encode() or not says_nothing(value.decode("latin-1"))
            ]


def _is_made(date: str) -> bool:
    """Tell whether a time of HTTP (RFC 9110, 5.6.7) is one that files of a release may have."""
    with contextlib.suppress(ValueError, OverflowError):
        parts = email.utils.parsedate_tz(date)
        return parts is not None and email.utils.mktime_tz(parts) <= LAST
    return False
