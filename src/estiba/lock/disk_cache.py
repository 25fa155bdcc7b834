"""Cache of expensive results in files, whose names identify all inputs; entries never expire."""

from __future__ import annotations

from typing import TYPE_CHECKING

from estiba.files import write

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def cached(path: Path, compute: Callable[[], str]) -> str:
    """Return the text of a cache file, or compute it and write the file atomically."""
    if path.exists():
        return path.read_text(encoding="utf-8")
    text = compute()
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, text)
    return text
