"""Answers that are expensive to find and never change, remembered in the cache folder."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def cached(path: Path, find: Callable[[], str]) -> str:
    """Return the text of a file, or find it and write that file; an interruption leaves no half of it."""
    if path.exists():
        return path.read_text(encoding="utf-8")
    text = find()
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        made = Path(scratch, path.name)
        made.write_text(text, encoding="utf-8")
        made.replace(path)
    return text
