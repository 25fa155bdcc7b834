"""Processes by their command lines, of /proc alone: a fresh Debian has neither pgrep nor pkill."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path


def find(pattern: str) -> list[int]:
    """Return the numbers of the processes whose words, joined by spaces, a regular expression is found in."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        # It may have ended since.
        with suppress(OSError):
            words = file.read_bytes().rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace")
            if re.search(pattern, words):
                found.append(int(file.parent.name))
    return found
