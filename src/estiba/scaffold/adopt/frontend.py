"""Front-end files that a project generates before they can be served, and the settings that generate them."""

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
    """Yield hints about generated files, which a build creates only by the commands of `prepare`.

    Args:
        folder: Folder of the project.
        seen: Survey of its settings.
        has_commands: Whether the project has set `prepare`.
    """
    if not has_commands:
        yield from _find_commands(folder, seen)


def _find_commands(folder: Path, seen: Survey) -> Iterator[str]:
    if "sass_processor" in seen.strings:
        yield f"sass_processor: unless the generated style sheets are in git, set {_prepare('compilescss')}"
    if "compressor" in seen.strings and "COMPRESS_OFFLINE" in seen.names:
        yield f"COMPRESS_OFFLINE: set {_prepare('compress')}"
    if catalogue := next((file for file in find_own(folder, ".po") if not file.with_suffix(".mo").exists()), None):
        shown = catalogue.relative_to(folder)
        yield f'{shown} is not compiled: set {_prepare("compilemessages")} and debian-build = ["gettext"]'


def find_own(folder: Path, suffix: str) -> Iterator[Path]:
    """Yield the project's files with a suffix, sorted, without those of virtual environments and of npm."""
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _FOREIGN and not name.startswith("."))
        yield from (Path(where, name) for name in sorted(names) if name.endswith(suffix))


def _builds(file: Path) -> bool:
    """Return whether a package has a script that builds it."""
    try:
        package = json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        return True
    return isinstance(package, dict) and any("build" in name for name in package.get("scripts") or {})


def _prepare(command: str) -> str:
    return f"prepare = {json.dumps([[command]])}"
