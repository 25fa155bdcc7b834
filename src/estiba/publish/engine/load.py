"""Load of an image into a Docker engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import docker
import docker.errors
import requests

from estiba import imageref
from estiba.errors import EngineError
from estiba.image.manifest import Platform
from estiba.publish import connection
from estiba.publish.engine import docker_archive

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from docker import DockerClient

    from estiba.digest import Digest
    from estiba.image.layout import Layout
    from estiba.image.manifest import Image

_NO_ENGINE: Final = "start one (systemctl start docker), or set DOCKER_HOST to where it listens"
_ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """Result of a load.

    Attributes:
        name: Name of the image in the engine, as `NAME:TAG`.
        id: Image ID of the engine.
        platform: Platform of the image.
        sent_layers: Number of layers that the engine lacked.
    """

    name: str
    id: str
    platform: Platform
    sent_layers: int

    def to_dict(self) -> dict[str, Any]:
        """Return the result in the form of `--json`."""
        return {"id": self.id, "name": self.name, "platform": str(self.platform), "sent_layers": self.sent_layers}


class Engine:
    """Docker engine, by default the one that `DOCKER_HOST` selects."""

    def __init__(self, client: DockerClient) -> None:
        self._client = client

    @classmethod
    def connect(cls, **options: Any) -> Engine:  # noqa: ANN401 - those of the SDK's client
        """Connect to an engine.

        Args:
            options: Arguments of the SDK's `DockerClient`, such as `base_url`; by default those of the environment.

        Raises:
            EngineError: No engine answers.
        """
        client: DockerClient | None = None
        try:
            client = docker.DockerClient(**options) if options else docker.from_env()
            client.ping()
        except (docker.errors.DockerException, requests.RequestException) as error:
            if client:
                client.close()
            message = f"no Docker engine answers: {_explain(error)}"
            raise EngineError(message, hint=_NO_ENGINE) from error
        return cls(client)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def platform(self) -> Platform:
        """Return the native platform of the engine."""
        machine = self._client.info()["Architecture"]
        return Platform(os="linux", architecture=_ARCHITECTURES.get(machine, machine))

    def stacks(self) -> frozenset[tuple[str, ...]]:
        """Return the layer chains of all images: the digests from the bottom up to each layer.

        An engine can reuse a layer only upon the same layers below it.
        """
        stacks: set[tuple[str, ...]] = set()
        for image in self._client.images.list(all=True):
            diff_ids = (image.attrs.get("RootFS") or {}).get("Layers") or []
            stacks.update(tuple(diff_ids[:height]) for height in range(1, len(diff_ids) + 1))
        return frozenset(stacks)

    def find_image(self, image: Image) -> str:
        """Return the image ID of an image with the same configuration, or an empty string."""
        try:
            attributes = self._client.images.get(str(image.manifest.config.digest)).attrs
        except docker.errors.NotFound:
            return ""
        return str(attributes["Id"]) if _matches(attributes, image) else ""

    def tag(self, identifier: str, name: str) -> None:
        """Tag an image with a name."""
        repository, tag = imageref.parse_local(name)
        self._client.images.get(identifier).tag(repository, tag)

    def load(self, data: Iterator[bytes]) -> None:
        """Load a docker archive.

        Raises:
            EngineError: The engine refuses the archive, or the connection fails.
        """
        try:
            for line in self._client.api.load_image(data, quiet=True):
                if "error" in line:
                    message = f"the Docker engine refused the image: {line['error']}"
                    raise EngineError(message)
        except (docker.errors.DockerException, requests.RequestException) as error:
            message = f"the Docker engine refused the image: {_explain(error)}"
            raise EngineError(message, hint="its own log says more: journalctl -u docker") from error

    def inspect(self, name: str) -> dict[str, Any]:
        """Return the attributes of an image, as `docker image inspect` shows them.

        Raises:
            EngineError: There is no image of that name.
        """
        try:
            return dict(self._client.images.get(name).attrs)
        except docker.errors.NotFound as error:
            message = f"the Docker engine has no image {name}"
            raise EngineError(message, hint="load it first: invoke image.load") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPlan:
    """Parts of an image that an engine lacks.

    Attributes:
        layout: Layout with the blobs.
        image: Image of one platform.
        name: Name for the image, as `NAME:TAG`.
        identifier: Image ID if the engine has the image already, or an empty string.
        sizes: Size in bytes of the tar of each layer to send, by its digest.
    """

    layout: Layout
    image: Image
    name: str
    identifier: str
    sizes: Mapping[Digest, int]

    @property
    def size(self) -> int:
        """Size of all layers to send in bytes, uncompressed."""
        return sum(self.sizes.values())


def plan(layout: Layout, engine: Engine, *, platform: Platform | None = None, name: str = "") -> LoadPlan:
    """Return the parts of the image of a platform that an engine lacks.

    Args:
        layout: Layout to load.
        engine: Engine to load into.
        platform: Platform of the image; by default that of the engine.
        name: Name for the image, as `NAME[:TAG]`; by default the name of the layout.

    Raises:
        LayoutError: The layout has no image of the platform.
        ImageRefError: The name is malformed.
    """
    image = layout.image(platform or engine.platform())
    full_name = ":".join(imageref.parse_local(name or layout.name or layout.digest.hex[:12]))
    identifier = engine.find_image(image)
    sizes = {} if identifier else docker_archive.sizes(layout, image, skip=present_layers(image, engine.stacks()))
    return LoadPlan(layout=layout, image=image, name=full_name, identifier=identifier, sizes=sizes)


def load(wanted: LoadPlan, engine: Engine, *, advance: Callable[[int], None] = lambda _: None) -> Loaded:
    """Load the parts of an image that an engine lacks, and verify the loaded image.

    Args:
        wanted: Result of `plan`.
        engine: The same engine.
        advance: Called with the number of layer bytes in each chunk.

    Raises:
        EngineError: The engine refuses the image, or has other layers afterwards.
        LayoutError: A blob is damaged.
    """
    identifier = wanted.identifier
    if not identifier:
        _send(wanted, engine, advance)
        identifier = _check(engine, wanted.image, wanted.name)
    engine.tag(identifier, wanted.name)
    platform, sent = wanted.image.platform, len(wanted.sizes)
    return Loaded(name=wanted.name, id=identifier, platform=platform, sent_layers=sent)


def present_layers(image: Image, stacks: Collection[tuple[str, ...]]) -> frozenset[Digest]:
    """Return the tar digests of the bottom layers of an image that are among an engine's layer chains."""
    diff_ids = tuple(str(digest) for digest in image.config.diff_ids)
    height = max((height for height in range(len(diff_ids) + 1) if diff_ids[:height] in stacks), default=0)
    return frozenset(image.config.diff_ids[:height])


def _send(wanted: LoadPlan, engine: Engine, advance: Callable[[int], None]) -> None:
    """Send the layers that the engine lacks; send all layers if it does not accept that."""
    layout, image, names = wanted.layout, wanted.image, [wanted.name]
    try:
        engine.load(docker_archive.render(layout, image, names=names, sizes=wanted.sizes, advance=advance))
    except EngineError:
        if len(wanted.sizes) == len(set(image.config.diff_ids)):
            raise
        # An image removed meanwhile takes its layers along, and the containerd store wants every layer.
        engine.load(docker_archive.render(layout, image, names=names, sizes=docker_archive.sizes(layout, image)))


def _check(engine: Engine, image: Image, name: str) -> str:
    """Raise an error unless the engine has the image that was sent, and return its image ID."""
    attributes = engine.inspect(name)
    if not _matches(attributes, image):
        message = f"the Docker engine has other layers for {name} than were sent"
        raise EngineError(message, hint=f"remove it there (docker rmi {name}) and load again")
    return str(attributes["Id"])


def _matches(attributes: dict[str, Any], image: Image) -> bool:
    """Tell whether layers are equal, and the digest of the configuration if the engine uses it as image ID.

    The containerd image store uses the digest of the manifest, which the engine generates on loading.
    """
    layers = tuple((attributes.get("RootFS") or {}).get("Layers") or ())
    if layers != tuple(str(digest) for digest in image.config.diff_ids):
        return False
    has_manifest = "Descriptor" in attributes
    return has_manifest or attributes["Id"] == str(image.manifest.config.digest)


def _explain(error: Exception) -> str:
    """Return the error message of the engine, or the reason of a failed connection."""
    if isinstance(error, docker.errors.APIError) and error.explanation:
        return str(error.explanation).strip()
    return connection.describe_failure(error)
