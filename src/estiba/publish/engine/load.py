"""Loading an image into a Docker engine."""

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
    """An image as an engine has it now.

    Attributes:
        name: `NAME:TAG` in the engine.
        id: The engine's own identifier.
        platform: What the image runs on.
        sent_layers: How many layers the engine did not have yet.
    """

    name: str
    id: str
    platform: Platform
    sent_layers: int

    def to_dict(self) -> dict[str, Any]:
        """Return the form for `--json`."""
        return {"id": self.id, "name": self.name, "platform": str(self.platform), "sent_layers": self.sent_layers}


class Engine:
    """A Docker engine, found as Docker's own command line finds it (`DOCKER_HOST`)."""

    def __init__(self, client: DockerClient) -> None:
        self._client = client

    @classmethod
    def connect(cls, **options: Any) -> Engine:  # noqa: ANN401 - those of the SDK's client
        """Connect to the engine of the environment, or to another with the SDK's `base_url`.

        Raises:
            EngineError: None answers.
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
        """Return the platform that the engine runs natively."""
        machine = self._client.info()["Architecture"]
        return Platform(os="linux", architecture=_ARCHITECTURES.get(machine, machine))

    def stacks(self) -> frozenset[tuple[str, ...]]:
        """Return the stacks of layers that the engine has: every image's, from the bottom up to each layer."""
        stacks: set[tuple[str, ...]] = set()
        for image in self._client.images.list(all=True):
            diff_ids = (image.attrs.get("RootFS") or {}).get("Layers") or []
            stacks.update(tuple(diff_ids[:height]) for height in range(1, len(diff_ids) + 1))
        return frozenset(stacks)

    def find(self, image: Image) -> str:
        """Return the engine's identifier of an image that has exactly this configuration, or an empty string."""
        try:
            attributes = self._client.images.get(str(image.manifest.config.digest)).attrs
        except docker.errors.NotFound:
            return ""
        return str(attributes["Id"]) if _is_same(attributes, image) else ""

    def tag(self, identifier: str, name: str) -> None:
        """Give an image a name."""
        repository, tag = imageref.parse_local(name)
        self._client.images.get(identifier).tag(repository, tag)

    def load(self, data: Iterator[bytes]) -> None:
        """Send an archive.

        Raises:
            EngineError: The engine refuses it, or the connection breaks.
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
        """Return what the engine tells of an image.

        Raises:
            EngineError: It has none of that name.
        """
        try:
            return dict(self._client.images.get(name).attrs)
        except docker.errors.NotFound as error:
            message = f"the Docker engine has no image {name}"
            raise EngineError(message, hint="load it first: invoke image.load") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPlan:
    """What to load, and what of it the engine lacks.

    Attributes:
        layout: Where the blobs are.
        image: The image of one platform.
        name: `NAME:TAG` to give it.
        identifier: The engine's identifier when it has the image already, or an empty string.
        sizes: Lengths of the layers to send, by the digest of their tar.
    """

    layout: Layout
    image: Image
    name: str
    identifier: str
    sizes: Mapping[Digest, int]

    @property
    def size(self) -> int:
        """Bytes of all layers to send."""
        return sum(self.sizes.values())


def plan(layout: Layout, engine: Engine, *, platform: Platform | None = None, name: str = "") -> LoadPlan:
    """Find out what the engine lacks of one platform's image; layers it has, from the bottom up, are not sent again.

    Args:
        layout: The image.
        engine: Where it goes.
        platform: Which of its platforms; by default the engine's own.
        name: `NAME[:TAG]`; by default the layout's own name.

    Raises:
        LayoutError: There is no image for the platform.
        ImageRefError: The name is malformed.
    """
    image = layout.image(platform or engine.platform())
    full_name = ":".join(imageref.parse_local(name or layout.name or layout.digest.hex[:12]))
    identifier = engine.find(image)
    sizes = {} if identifier else docker_archive.sizes(layout, image, skip=present_layers(image, engine.stacks()))
    return LoadPlan(layout=layout, image=image, name=full_name, identifier=identifier, sizes=sizes)


def load(wanted: LoadPlan, engine: Engine, *, advance: Callable[[int], None] = lambda _: None) -> Loaded:
    """Load what a plan says and check that the engine has what was built.

    Args:
        wanted: From `plan`.
        engine: The same engine.
        advance: Called with the number of layer bytes sent.

    Raises:
        EngineError: The engine refuses the image or has something else afterwards.
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
    """Return the tar digests of the bottom layers that an engine has in the same order."""
    diff_ids = tuple(str(digest) for digest in image.config.diff_ids)
    height = max((height for height in range(len(diff_ids) + 1) if diff_ids[:height] in stacks), default=0)
    return frozenset(image.config.diff_ids[:height])


def _send(wanted: LoadPlan, engine: Engine, advance: Callable[[int], None]) -> None:
    """Send what the engine lacks; send all when it does not accept that."""
    layout, image, names = wanted.layout, wanted.image, [wanted.name]
    try:
        engine.load(docker_archive.render(layout, image, names=names, sizes=wanted.sizes, advance=advance))
    except EngineError:
        if len(wanted.sizes) == len(set(image.config.diff_ids)):
            raise
        # An image removed meanwhile takes its layers along, and the containerd store wants every layer.
        engine.load(docker_archive.render(layout, image, names=names, sizes=docker_archive.sizes(layout, image)))


def _check(engine: Engine, image: Image, name: str) -> str:
    """Hold that the engine has the image that was sent, and return its identifier."""
    attributes = engine.inspect(name)
    if not _is_same(attributes, image):
        message = f"the Docker engine has other layers for {name} than were sent"
        raise EngineError(message, hint=f"remove it there (docker rmi {name}) and load again")
    return str(attributes["Id"])


def _is_same(attributes: dict[str, Any], image: Image) -> bool:
    """Compare layers, and the configuration's digest where the engine identifies images by it.

    The containerd image store identifies an image by its manifest, which the engine makes anew on loading.
    """
    layers = tuple((attributes.get("RootFS") or {}).get("Layers") or ())
    if layers != tuple(str(digest) for digest in image.config.diff_ids):
        return False
    has_manifest = "Descriptor" in attributes
    return has_manifest or attributes["Id"] == str(image.manifest.config.digest)


def _explain(error: Exception) -> str:
    """Return what the engine says, or why it says nothing."""
    if isinstance(error, docker.errors.APIError) and error.explanation:
        return str(error.explanation).strip()
    return connection.describe_failure(error)
