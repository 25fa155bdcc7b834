"""What has to be made of a project's own files before they are served, and who makes it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from estiba.scaffold.adopt.survey import Survey

_FOREIGN: Final = frozenset({"node_modules", "site-packages", "venv"})


def find_builders(folder: Path, seen: Survey, *, has_commands: bool = False) -> Iterator[str]:
    """Yield what somebody has to see to, since a build does it only where it is told to.

    Args:
        folder: The project's folder.
        seen: Its settings.
        has_commands: Whether somebody has chosen commands for the build already.
    """
    if (folder / "package.json").is_file():
        yield "package.json: what npm builds has to be among the files in git, a build runs no npm"
    if not has_commands:
        yield from _find_commands(folder, seen)


def _find_commands(folder: Path, seen: Survey) -> Iterator[str]:
    if "sass_processor" in seen.strings:
        yield f"sass_processor: unless the style sheets that it makes are in git, set {_prepare('compilescss')}"
    if "compressor" in seen.strings and "COMPRESS_OFFLINE" in seen.names:
        yield f"COMPRESS_OFFLINE: set {_prepare('compress')}"
    if catalogue := next((file for file in find_own(folder, ".po") if not file.with_suffix(".mo").exists()), None):
        shown = catalogue.relative_to(folder)
        yield f'{shown} is not compiled: set {_prepare("compilemessages")} and debian-build = ["gettext"]'


def find_own(folder: Path, suffix: str) -> Iterator[Path]:
    """Yield the project's own files with a suffix, sorted; not those of an environment or of npm."""
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _FOREIGN and not name.startswith("."))
        yield from (Path(where, name) for name in sorted(names) if name.endswith(suffix))


def _prepare(command: str) -> str:
    return f"prepare = {json.dumps([[command]])}"
