"""Build of a service's OCI image with Nix."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from estiba.build.flake import LOCK, realise
from estiba.errors import StaleLockError
from estiba.nix import commands as nix
from estiba.process import run

if TYPE_CHECKING:
    from collections.abc import Callable

    from estiba.config import Config
    from estiba.process import Runner

RESULT: Final = Path(".estiba", "image")
"""Symbolic link to the last image, relative to the folder of the service; a garbage collector root."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltLayer:
    """Layer of a built image.

    Attributes:
        digest: Digest of the compressed blob, `sha256:…`.
        size: Size of the compressed blob in bytes.
        contents: Packages in the layer, with their versions.
        name: Name of the layer in the layer plan.
        platform: Nix system name.
        changed: Whether the previous image has no such layer.
    """

    digest: str
    size: int
    contents: tuple[str, ...]
    name: str
    platform: str
    changed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """Built image.

    Attributes:
        digest: Digest of the image index, `sha256:…`.
        path: Store path of the OCI layout.
        platforms: Nix system names.
        layers: Layers of all platforms, from the bottom up.
    """

    digest: str
    path: Path
    platforms: tuple[str, ...]
    layers: tuple[BuiltLayer, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the image in the form of `invoke build --json`."""
        fields = ("changed", "contents", "digest", "name", "platform", "size")
        return {
            "digest": self.digest,
            "layers": [{field: getattr(layer, field) for field in fields} for layer in self.layers],
            "path": str(self.path),
            "platforms": list(self.platforms),
        }


def build(
    folder: Path,
    config: Config,
    *,
    platform: str = "",
    on_status: Callable[[str], None] | None = None,
    runner: Runner = run,
) -> Built:
    """Build the image of a service.

    Args:
        folder: Folder of the service, with `estiba.lock`.
        config: Settings from the environment.
        platform: Nix system name; by default all platforms of the lock.
        on_status: Called with one progress message at a time.
        runner: Runs Nix.

    Raises:
        StaleLockError: There is no lock file.
        ArtifactError: Locked artifacts are not in the store.
        BuildError: The evaluation or the build failed.
    """
    if not (folder / LOCK).exists():
        msg = f"no {LOCK} in {folder}"
        raise StaleLockError(msg, hint="invoke lock")
    # Before the build, which replaces the link.
    before = _digests(folder / RESULT, config.store)
    (folder / RESULT).parent.mkdir(exist_ok=True)
    attribute = f"image-{platform}" if platform else "image"
    link = folder / RESULT
    path = realise(folder, attribute, config, out_link=link, on_status=on_status, runner=runner)
    return load(path, before, store=config.store)


def load(path: Path, before: frozenset[str] = frozenset(), *, store: Path = Path("/")) -> Built:
    """Read a built image from the summary in its OCI layout, `estiba.json`.

    Args:
        path: Store path of the layout, or a link to it.
        before: Digests of the layers of the previous image.
        store: Root folder of the Nix store.
    """
    summary = json.loads((nix.locate(path, store) / "estiba.json").read_text())
    layers = [
        BuiltLayer(
            digest=layer["digest"],
            size=layer["size"],
            contents=tuple(layer["contents"]),
            name=layer["name"],
            platform=layer["platform"],
            changed=layer["digest"] not in before,
        )
        for layer in summary["layers"]
    ]
    return Built(digest=summary["digest"], path=path, platforms=tuple(summary["platforms"]), layers=tuple(layers))


def _digests(path: Path, store: Path) -> frozenset[str]:
    """Return the digests of the layers of the previous image, empty if there is none."""
    try:
        return frozenset(layer.digest for layer in load(path, store=store).layers)
    except (OSError, ValueError, KeyError):
        return frozenset()
