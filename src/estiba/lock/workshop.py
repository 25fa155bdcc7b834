"""Where locking and fetching work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from estiba.lock.artifacts import Artifacts
from estiba.process import run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from estiba.process import Runner


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """The cache folder, whom to tell about progress, and a way to run commands."""

    cache: Path
    tell: Callable[[str], None]
    runner: Runner = run

    @property
    def artifacts(self) -> Artifacts:
        """The cache of downloaded files."""
        return Artifacts(self.cache / "artifacts")
