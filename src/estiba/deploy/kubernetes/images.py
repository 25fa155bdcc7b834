"""The image of a release in the registry that the cluster's nodes pull from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from estiba.errors import LayoutError, RegistryError, TargetError
from estiba.image import layout
from estiba.imageref import ImageRef
from estiba.publish.registry import credentials
from estiba.publish.registry import push as pushing
from estiba.publish.registry.client import Registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from estiba.config import Config
    from estiba.deploy.kubernetes.settings import Settings
    from estiba.release_manifest import ReleaseImage


def is_there(settings: Settings, image: ReleaseImage, config: Config) -> bool:
    """Tell whether the registry has an image.

    Raises:
        RegistryError: The registry cannot be reached, or refuses.
    """
    return _registry(settings, config, writes=False).manifest(str(image.digest)) is not None


def ensure(settings: Settings, image: ReleaseImage, config: Config, on_status: Callable[[str], None]) -> None:
    """Push an image unless the registry has it.

    Raises:
        RegistryError: The registry cannot be reached, or refuses.
        TargetError: The registry lacks it, and so does this machine's store.
    """
    if is_there(settings, image, config):
        return
    on_status(f"pushing {image.digest}")
    try:
        found = layout.read_built(image.path, config.store)
    except LayoutError as error:
        msg = f"{settings.image} has no image {image.digest}, and it is not in this machine's store to be pushed"
        raise TargetError(msg, hint="invoke deploy, or invoke release, builds it") from error
    registry = _registry(settings, config, writes=True)
    # A tag, since some registries remove what has none.
    ref = pushing.plan(found, _tagged(settings, image), registry)
    pushing.push(ref, registry)


def ensure_again(
    settings: Settings, image: ReleaseImage | None, config: Config, on_status: Callable[[str], None]
) -> None:
    """Push an image that was deployed before, if the registry has lost it since.

    A registry that does not answer is no reason: the nodes may have the image.

    Raises:
        RegistryError: It refuses the image.
        TargetError: It lacks it, and so does this machine's store.
    """
    try:
        is_known = image is None or is_there(settings, image, config)
    except RegistryError:
        return
    if image and not is_known:
        ensure(settings, image, config, on_status)


def problem(settings: Settings, image: ReleaseImage, config: Config) -> str:
    """Return why the nodes could not pull an image, and none could be pushed before; empty if they can."""
    try:
        if is_there(settings, image, config):
            return ""
        layout.read_built(image.path, config.store)
    except RegistryError as error:
        return error.message
    except LayoutError:
        return f"{settings.image} has no image {image.digest}, and it is not in this machine's store"
    return ""


def _tagged(settings: Settings, image: ReleaseImage) -> ImageRef:
    return ImageRef(
        host=settings.image.host, repository=settings.image.repository, tag=f"sha256-{image.digest.hex[:12]}"
    )


def _registry(settings: Settings, config: Config, *, writes: bool) -> Registry:
    found = credentials.load(config.docker_config, settings.image.host)
    return Registry(settings.image, credentials=found, writes=writes, insecure=settings.insecure)
