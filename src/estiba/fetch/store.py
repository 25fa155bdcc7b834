"""Downloaded files, added to the Nix store under their store names."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from estiba.fetch.plan import artifact_path
from estiba.nix import commands as nix
from estiba.nix.store_path import store_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from estiba.lock.context import LockContext
    from estiba.lock.model import Deb, Distribution
    from estiba.service.frontend import Tarball

_Artifact = TypeVar("_Artifact", "Deb", "Distribution", "Deb | Distribution", "Tarball")


def add(
    cached: Sequence[tuple[_Artifact, Path]], context: LockContext, *, algorithm: str = "sha256"
) -> list[_Artifact]:
    """Add files of a download cache to the store, and return the artifacts whose files are damaged.

    Damaged files are removed from the cache.

    Args:
        cached: Artifacts, each with its file in the cache.
        context: Folder of the caches, and runner.
        algorithm: Hash of the artifacts: `sha256` or `sha512`.
    """
    if not cached:
        return []
    with tempfile.TemporaryDirectory(dir=context.cache, prefix="adding-") as scratch:
        files = []
        for number, (artifact, file) in enumerate(cached):
            folder = Path(scratch, str(number))
            folder.mkdir()
            files.append(folder / store_name(artifact.file))
            # A cache names files by hash; a hard link has the store name, and costs no copy.
            files[-1].hardlink_to(file)
        paths = nix.add_fixed(files, algorithm=algorithm, runner=context.runner)
    # A store path is computed from the contents, so another path means other bytes.
    damaged = [one for one, path in zip(cached, paths, strict=True) if str(path) != artifact_path(one[0])]
    for _, file in damaged:
        file.unlink()
    return [artifact for artifact, _ in damaged]
