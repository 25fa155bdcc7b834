"""Answers that are expensive to find and never change, remembered in the cache folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from estiba.files import write

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def cached(path: Path, find: Callable[[], str]) -> str:
    """Return the text of a file, or find it and write that file; an interruption leaves no half of it."""
    if path.exists():
        return path.read_text(encoding="utf-8")
    text = find()
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, text)
    return text
