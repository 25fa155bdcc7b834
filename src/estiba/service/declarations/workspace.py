"""uv's workspaces: a service may be a member of one, whose root says where packages come from.

Format: https://docs.astral.sh/uv/concepts/projects/workspaces/.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_SHARED: Final = frozenset(
    {
        "build-constraint-dependencies",
        "constraint-dependencies",
        "exclude-dependencies",
        "extra-index-url",
        "find-links",
        "index",
        "index-url",
        "no-index",
        "override-dependencies",
        "sources",
        "workspace",
    }
)
"""Keys of `[tool.uv]` that hold for all members."""

_GLOBS: Final = ("members", "exclude")


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """Root of a workspace that a project is a member of.

    Attributes:
        folder: Folder of the root.
        table: What its `[tool.uv]` says for all members.
    """

    folder: Path
    table: Mapping[str, Any]


def find(folder: Path) -> Workspace | None:
    """Return the workspace that a project below its root is a member of, or None."""
    place = folder.resolve()
    for parent in place.parents:
        table = _read(parent)
        if isinstance(own := table.get("workspace"), dict):
            listed, left_out = ({one for glob in own.get(key, ()) for one in parent.glob(glob)} for key in _GLOBS)
            is_member = place in listed - left_out
            return Workspace(folder=parent, table=_choose(table)) if is_member else None
    return None


def _choose(table: Mapping[str, Any]) -> Mapping[str, Any]:
    return {key: value for key, value in table.items() if key in _SHARED}


def _read(folder: Path) -> Mapping[str, Any]:
    """Return `[tool.uv]` of a folder, empty where there is none that can be read."""
    try:
        found = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["uv"]
    except (KeyError, OSError, RecursionError, TypeError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
