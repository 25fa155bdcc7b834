"""Context of locking and fetching: settings, progress messages, runner, download cache."""

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
    """Run a command as `estiba.process.run` does, but raise `OSError` if it fails because the disk is full.

    A full disk then is one error, whether apt, pip, Nix or this process notices it.

    Raises:
        OSError: The disk is full.
    """
    try:
        return run(argv, **options)
    except CommandError as error:
        # The exit code is that of any failure; only the message names the cause.
        if _DISK_FULL in error.tail:
            raise OSError(errno.ENOSPC, _DISK_FULL) from error
        raise


@dataclass(frozen=True, slots=True, kw_only=True)
class LockContext:
    """Context of locking and fetching.

    Attributes:
        config: Settings from the environment.
        folder: Folder of the service.
        tell: Called with one progress message at a time.
        runner: Runs commands.
    """

    config: Config
    folder: Path
    tell: Callable[[str], None]
    runner: Runner = run_on_disk

    @property
    def cache(self) -> Path:
        """The folder for downloads and apt state."""
        return self.config.cache_dir

    @property
    def artifacts(self) -> Artifacts:
        """Download cache."""
        return Artifacts(self.cache / "artifacts")
