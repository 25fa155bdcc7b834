"""Build a service's image with Nix and read what came out."""

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
"""Where the link to the last image is, below the service's folder; it keeps the image from being collected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltLayer:
    """A layer of a built image.

    Attributes:
        digest: Of the compressed blob, `sha256:…`.
        size: Of the compressed blob, in bytes.
        contents: What it holds: packages with their versions.
        name: Its name in the layer plan.
        platform: A Nix system.
        changed: Whether the image that was built before lacks it.
    """

    digest: str
    size: int
    contents: tuple[str, ...]
    name: str
    platform: str
    changed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A built image: the digest of its index, where its OCI layout is, its platforms and layers, lowest first."""

    digest: str
    path: Path
    platforms: tuple[str, ...]
    layers: tuple[BuiltLayer, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return what `invoke build --json` prints."""
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
    """Build the image of the service in `folder`.

    Args:
        folder: The service's folder, with `estiba.lock`.
        config: The environment's settings.
        platform: One platform instead of all that the lock has.
        on_status: Called with one line at a time that says how far the build is.
        runner: Runs the commands.

    Raises:
        StaleLockError: There is no lock.
        ArtifactError: Something that the lock names is not in the store.
        BuildError: The evaluation or the build failed.
    """
    if not (folder / LOCK).exists():
        msg = f"no {LOCK} in {folder}"
        raise StaleLockError(msg, hint="invoke lock")
    before = _digests(folder / RESULT, config.store)
    (folder / RESULT).parent.mkdir(exist_ok=True)
    attribute = f"image-{platform}" if platform else "image"
    link = folder / RESULT
    path = realise(folder, attribute, config, out_link=link, on_status=on_status, runner=runner)
    return load(path, before, store=config.store)


def load(path: Path, before: frozenset[str] = frozenset(), *, store: Path = Path("/")) -> Built:
    """Read a built image.

    Args:
        path: An OCI layout that `build` has made.
        before: Digests of layers that are not new.
        store: Folder below which the paths of the store lie.
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
    """Return the digests of the layers of the image built before, if there was one."""
    try:
        return frozenset(layer.digest for layer in load(path, store=store).layers)
    except (OSError, ValueError, KeyError):
        return frozenset()
