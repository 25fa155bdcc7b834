"""The cache of downloaded artifacts: files named by their SHA-256."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from estiba.digest import Digest
from estiba.errors import ArtifactError

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Artifacts:
    """The cache's folder; disposable, shared by all projects of a user."""

    folder: Path

    def path(self, digest: Digest) -> Path:
        """Return where the file with this hash is or would be."""
        return self.folder / digest.hex

    def has(self, digest: Digest) -> bool:
        """Tell whether the file with this hash is there."""
        return self.path(digest).exists()

    def take(self, file: Path, *, name: str, expected: Digest) -> None:
        """Check a downloaded file's hash and move it in.

        Raises:
            ArtifactError: The hash is another one; the file is removed.
        """
        got = Digest.of_file(file)
        if got != expected:
            file.unlink()
            msg = f"{name} has the wrong hash: expected {expected}, got {got}"
            raise ArtifactError(msg, hint="the mirror changed the file or it was damaged on the way; fetch again")
        self.folder.mkdir(parents=True, exist_ok=True)
        file.replace(self.path(expected))
