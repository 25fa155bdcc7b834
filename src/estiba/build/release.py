"""Build a release: the image, what a host runs, or both, and the manifest that says what came out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from estiba import release_manifest
from estiba.build.flake import realise
from estiba.nix import commands as nix
from estiba.process import run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from estiba.config import Config
    from estiba.process import Runner
    from estiba.release_manifest import Contents, ReleaseManifest

RESULT: Final = ".estiba/release"
"""Where the link to the last manifest is, below the service's folder; it keeps the release from being collected."""


def build(
    folder: Path,
    contents: Contents,
    config: Config,
    *,
    on_status: Callable[[str], None] | None = None,
    runner: Runner = run,
) -> ReleaseManifest:
    """Build a release of the service in a folder, as its files are now.

    Args:
        folder: The service's folder.
        contents: What of it.
        config: The environment's settings.
        on_status: Called with one line at a time that says how far the build is.
        runner: Runs the commands.

    Raises:
        ArtifactError: Something that the lock names is not in the store.
        BuildError: The evaluation or the build failed.
        ReleaseError: What was built is of another Estiba's format.
    """
    link = folder / RESULT
    link.parent.mkdir(exist_ok=True)
    path = realise(folder, contents.value, config, out_link=link, on_status=on_status, runner=runner)
    return release_manifest.load(nix.locate(path, config.store) / release_manifest.FILE_NAME)
