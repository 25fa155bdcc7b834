"""Publication of a release: image and charts in registries, its closure in the binary cache."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from estiba.cache import session
from estiba.cache.address import Address
from estiba.errors import PlanError
from estiba.image import layout
from estiba.image.manifest import Manifest, parse
from estiba.imageref import ImageRef
from estiba.publish import chart as charts
from estiba.publish.registry import credentials
from estiba.publish.registry import push as image_push
from estiba.publish.registry.client import Registry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from estiba.release.run.workspace import Workspace
    from estiba.release_manifest import ReleaseManifest


def push(workspace: Workspace, manifest: ReleaseManifest, on_status: Callable[[str], None]) -> dict[str, Any]:
    """Push image and charts to the registries, and the closures to the cache; what is there already is not sent.

    Returns:
        References of the images and of the charts, each with its digest, and the cache with the store paths.

    Raises:
        CacheError: The cache refuses, or is unreachable.
        ChartError: A chart cannot be packaged, or the registry refuses it.
        PlanError: The tag of the version is another image's, or another chart's.
        RegistryError: A registry refuses, or is unreachable.
    """
    images = [_push_image(workspace, manifest, one, on_status) for one in repositories(workspace)]
    folders = dict.fromkeys(target.chart for target in workspace.targets.values() if target.chart)
    # After the image, which a chart names.
    made = [_push_chart(workspace, one, on_status) for one in folders] if workspace.settings.charts else []
    return {"cache": _push_closures(workspace, manifest, on_status), "charts": made, "images": images}


def verify(workspace: Workspace, output: Mapping[str, Any]) -> bool:
    """Tell whether the registries still have the images and the charts of a push."""
    refs = [ImageRef.parse(text) for text in (*output["images"], *output.get("charts", ()))]
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
    wanted = image_push.plan(source, ref, registry)
    if wanted.replaced:
        raise _moved(ref, f"image {wanted.replaced}", str(manifest.image.digest))
    image_push.push(wanted, registry)
    return str(ref.at(manifest.image.digest))


def _push_chart(workspace: Workspace, folder: Path, on_status: Callable[[str], None]) -> str:
    with tempfile.TemporaryDirectory(prefix="estiba-chart-") as work:
        packaged = charts.package(folder, Path(work), workspace.runner)
        ref = charts.name_ref(packaged, workspace.settings.charts)
        on_status(f"pushing chart {ref}")
        served = _registry(workspace, ref).manifest(ref.reference)
        if served is None:
            return str(charts.push(packaged, workspace.settings.charts, workspace.runner).ref)
        # Its manifest has a layer for the archive; that of Helm has nothing of the machine or of the time.
        layers = parse(served.data, Manifest.from_dict, f"chart {ref}").layers
        if packaged.digest not in {layer.digest for layer in layers}:
            raise _moved(ref, f"chart {served.digest}", f"of archive {packaged.digest}")
        return str(ref.at(served.digest))


def _moved(ref: ImageRef, there: str, here: str) -> PlanError:
    msg = f"{ref} is {there}, and this release's is {here}"
    return PlanError(msg, hint="the tag of a version names one thing for ever: release the next version")


def _push_closures(workspace: Workspace, manifest: ReleaseManifest, on_status: Callable[[str], None]) -> dict[str, Any]:
    url = workspace.settings.cache
    if not url:
        return {}
    paths = [str(path) for path in (manifest.image and manifest.image.path, manifest.host) if path]
    on_status(f"pushing to {url}")
    wanted = session.choose(Address.parse(url), paths, key=workspace.config.cache_key, runner=workspace.runner)
    session.execute(wanted, advance=lambda _: None, runner=workspace.runner)
    return {"paths": paths, "sent": len(wanted.wanted), "url": wanted.address.url}


def _registry(workspace: Workspace, ref: ImageRef, *, writes: bool = False) -> Registry:
    found = credentials.load(workspace.config.docker_config, ref.host)
    tables = [workspace.project.targets.get(name, {}) for name in workspace.targets]
    insecure = any(one.get("insecure") for one in tables if _is_in(ref, str(one.get("image", ""))))
    return Registry(ref, credentials=found, writes=writes, insecure=insecure)


def _is_in(ref: ImageRef, repository: str) -> bool:
    return f"{ref.host}/{ref.repository}" == repository


def tag_for(version: str) -> str:
    """Return the tag of a version's image: a tag has no `+` (OCI distribution-spec, "Pulling manifests")."""
    return version.replace("+", "_")
