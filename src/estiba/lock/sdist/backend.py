"""Calls of an sdist's build backend (PEP 517)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class HookCall:
    """Call of a hook of a build backend.

    Attributes:
        hook: `requires` for `get_requires_for_build_wheel`, or `metadata` for `prepare_metadata_for_build_wheel`.
        backend: Object that has the hooks, as `module:attribute` (`build-backend`).
        backend_path: Folders of the sdist to import it from (`backend-path`), or None.
        packages: Folder with the installed build requirements.
    """

    hook: str
    backend: str
    backend_path: tuple[str, ...] | None
    packages: Path
