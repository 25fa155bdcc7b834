"""Build of a release: the OCI image, the closure for host targets, or both, and the release manifest."""

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
"""Symbolic link to the last release, relative to the folder of the service; a garbage collector root."""

SANDBOX_GATE: Final = "sandbox"
"""Name of the gate whose evidence says whether the build was hermetic."""


def build(
    folder: Path,
    contents: Contents,
    config: Config,
    *,
    on_status: Callable[[str], None] | None = None,
    runner: Runner = run,
) -> ReleaseManifest:
    """Build a release of a service from its work tree.

    Args:
        folder: Folder of the service.
        contents: Contents of the release.
        config: Settings from the environment.
        on_status: Called with one progress message at a time.
        runner: Runs Nix.

    Returns:
        The manifest, with the evidence of whether Nix built in its sandbox.

    Raises:
        ArtifactError: Locked artifacts are not in the store.
        BuildError: The evaluation or the build failed.
        ReleaseError: The manifest has the format of another version of Estiba.
    """
    link = folder / RESULT
    link.parent.mkdir(exist_ok=True)
    path = realise(folder, contents.value, config, out_link=link, on_status=on_status, runner=runner)
    manifest = release_manifest.load(nix.locate(path, config.store) / release_manifest.FILE_NAME)
    # Added here, since the file is a build output, which has the same bytes without the sandbox.
    return manifest.with_gate(SANDBOX_GATE, {"hermetic": nix.is_hermetic(runner=runner)})
