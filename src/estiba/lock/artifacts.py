"""Download cache: artifacts (debs, wheels, sdists) in files named by their SHA-256."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from estiba.digest import Digest
from estiba.errors import ArtifactError

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Artifacts:
    """Download cache in a folder, shared by all projects of a user; the folder can be deleted at any time."""

    folder: Path

    def path(self, digest: Digest) -> Path:
        """Return the path of the artifact with a digest, whether or not it exists."""
        return self.folder / digest.hex

    def has(self, digest: Digest) -> bool:
        """Tell whether the cache has the artifact with a digest."""
        return self.path(digest).exists()

    def add(self, file: Path, *, name: str, expected: Digest) -> None:
        """Verify the hash of a downloaded file and move it into the cache.

        Args:
            file: Downloaded file, on the same file system as the cache.
            name: File name for the error message.
            expected: Locked digest.

        Raises:
            ArtifactError: The file has another digest; it is deleted.
        """
        got = Digest.of_file(file)
        if got != expected:
            file.unlink()
            msg = f"{name} has the wrong hash: expected {expected}, got {got}"
            raise ArtifactError(msg, hint="the mirror changed the file or it was damaged on the way; fetch again")
        self.folder.mkdir(parents=True, exist_ok=True)
        # rename(2) is atomic, so that files in the cache are always complete and verified.
        file.replace(self.path(expected))
