"""Where locking and fetching work."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from estiba.errors import CommandError
from estiba.lock.artifacts import Artifacts
from estiba.process import run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from estiba.config import Config
    from estiba.process import Completed, Runner

_DISK_FULL: Final = os.strerror(errno.ENOSPC)


def run_on_disk(argv: Sequence[str], **options: Any) -> Completed:  # noqa: ANN401 - those of `run`
    """Run a command as `estiba.process.run` does; one that fails for want of space is the same error as our own.

    Raises:
        OSError: The disk is full.
    """
    try:
        return run(argv, **options)
    except CommandError as error:
        if _DISK_FULL in error.tail:
            raise OSError(errno.ENOSPC, _DISK_FULL) from error
        raise


@dataclass(frozen=True, slots=True, kw_only=True)
class LockContext:
    """The environment's settings, whom to tell about progress, and a way to run commands."""

    config: Config
    tell: Callable[[str], None]
    runner: Runner = run_on_disk

    @property
    def cache(self) -> Path:
        """The folder for downloads and apt state."""
        return self.config.cache_dir

    @property
    def artifacts(self) -> Artifacts:
        """The cache of downloaded files."""
        return Artifacts(self.cache / "artifacts")
