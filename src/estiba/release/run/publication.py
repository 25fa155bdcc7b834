"""Publication of a release: its image in the registries of the targets, its closure in the binary cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from estiba.cache import keys
from estiba.cache import push as cache_push
from estiba.cache.address import Address
from estiba.image import layout
from estiba.imageref import ImageRef
from estiba.publish.registry import credentials
from estiba.publish.registry import push as image_push
from estiba.publish.registry.client import Registry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from estiba.release.run.workspace import Workspace
    from estiba.release_manifest import ReleaseManifest


def push(workspace: Workspace, manifest: ReleaseManifest, on_status: Callable[[str], None]) -> dict[str, Any]:
    """Push the image to each registry and the closures to the cache; what is there already is not sent.

    Returns:
        References of the images, and the cache with the store paths.

    Raises:
        CacheError: The cache refuses, or is unreachable.
        RegistryError: A registry refuses, or is unreachable.
    """
    images = [_push_image(workspace, manifest, one, on_status) for one in repositories(workspace)]
    return {"cache": _push_closures(workspace, manifest, on_status), "images": images}


def verify(workspace: Workspace, output: Mapping[str, Any]) -> bool:
    """Tell whether the registries still have the images of a push."""
    refs = [ImageRef.parse(text) for text in output["images"]]
    return all(_registry(workspace, ref).manifest(ref.reference) is not None for ref in refs)


def repositories(workspace: Workspace) -> tuple[str, ...]:
    """Return the image repositories of the targets, each once; a target without one runs no image."""
    tables = [workspace.project.targets.get(name, {}) for name in workspace.targets]
    return tuple(dict.fromkeys(str(table["image"]) for table in tables if "image" in table))


def _push_image(
    workspace: Workspace, manifest: ReleaseManifest, repository: str, on_status: Callable[[str], None]
) -> str:
    if manifest.image is None:
        return ""
    ref = ImageRef.parse(f"{repository}:{tag_for(manifest.version)}")
    on_status(f"pushing {ref}")
    registry = _registry(workspace, ref, writes=True)
    source = layout.read_built(manifest.image.path, workspace.config.store)
    image_push.push(image_push.plan(source, ref, registry), registry)
    return str(ref.at(manifest.image.digest))


def _push_closures(workspace: Workspace, manifest: ReleaseManifest, on_status: Callable[[str], None]) -> dict[str, Any]:
    url = workspace.settings.cache
    if not url:
        return {}
    paths = [str(path) for path in (manifest.image and manifest.image.path, manifest.host) if path]
    on_status(f"pushing to {url}")
    key = keys.load(workspace.config.cache_key)
    wanted = cache_push.plan(Address.parse(url), paths, key=key, runner=workspace.runner)
    cache_push.push(wanted, advance=lambda _: None, runner=workspace.runner)
    return {"paths": paths, "sent": len(wanted.wanted), "url": wanted.address.url}


def _registry(workspace: Workspace, ref: ImageRef, *, writes: bool = False) -> Registry:
    found = credentials.load(workspace.config.docker_config, ref.host)
    return Registry(ref, credentials=found, writes=writes)


def tag_for(version: str) -> str:
    """Return the tag of a version's image: a tag has no `+` (OCI distribution-spec, "Pulling manifests")."""
    return version.replace("+", "_")
