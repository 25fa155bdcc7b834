"""`.gitignore` of a service: what is there, with what a commit should not have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from estiba import files
from estiba.build import copied, untracked

if TYPE_CHECKING:
    from pathlib import Path

NAME: Final = ".gitignore"

# Lines, each with a path that it is for: one that another line is for already needs none.
_LINES: Final = {
    ".env": ".env",
    ".venv/": ".venv",
    "*.sqlite3": "db.sqlite3",
    "__pycache__/": "__pycache__",
    "node_modules/": "node_modules",
    ".estiba/": ".estiba",
    "/reports/": "reports",
    "/result": "result",
    "/result-*": "result-1",
}


def complete(folder: Path) -> dict[str, str]:
    """Return the text that the file should have, by its name, or nothing where it needs no further lines.

    Lines are added for what tasks, Python and Django write, and for what of that kind is in the folder and not in git;
    none for a package of the service. A file in another encoding than UTF-8 is left alone.
    """
    path = folder / NAME
    try:
        text = before = path.read_text(encoding="utf-8") if path.is_file() else ""
    except UnicodeDecodeError:
        return {}
    for line, place in {**_LINES, **{f"/{found}": found for found in _find_new(folder)}}.items():
        if not (folder / place / "__init__.py").exists() and not copied.is_ignored(place, text):
            gap = "\n" if text and not text.endswith("\n") else ""
            text += f"{gap}{line}\n"
    return {NAME: text} if text != before else {}


def _find_new(folder: Path) -> list[str]:
    found = copied.find(folder)
    if not files.find_repository(folder.resolve()):
        return found
    new = untracked.find(folder)
    return [place for place in found if any(name.startswith(place) for name in new)]
