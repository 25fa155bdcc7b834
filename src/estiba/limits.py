"""Limits of what is read in size and time: a server can send without end, or a byte at a time.

Without other packages than Python's, since the programs of a server have none.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

LIMIT: Final = 8 * 2**20
"""Largest body in bytes that is no blob; registries have to take manifests of 4 MB (OCI distribution specification)."""

_PART: Final = 1 << 16
_PATIENCE: Final = 60.0
_SLOWEST: Final = 50_000
"""Bytes a second that a server has to send after `_PATIENCE` seconds."""


class LimitError(OSError):
    """What is read exceeds its limit."""

    def __init__(self, message: str) -> None:
        """Keep the message where those of the operating system are, of which errors tell."""
        super().__init__(message)
        self.strerror = message


def read(read1: Callable[[int], bytes], limit: int = LIMIT) -> bytes:
    """Return what a server sends, to its end.

    Args:
        read1: Returns at most so many bytes as soon as there are any, and none at the end.
        limit: Largest size in bytes.

    Raises:
        LimitError: It is larger, or comes too slowly.
    """
    began, parts, size = time.monotonic(), [], 0
    while part := read1(_PART):
        parts.append(part)
        size += len(part)
        _check(size, limit, time.monotonic() - began)
    return b"".join(parts)


def _check(size: int, limit: int, seconds: float) -> None:
    if size > limit:
        message = f"more than {limit} bytes"
        raise LimitError(message)
    if size < (seconds - _PATIENCE) * _SLOWEST:
        message = f"less than {_SLOWEST} bytes a second"
        raise LimitError(message)
