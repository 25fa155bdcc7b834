"""The image to verify: a layout on disk, or what a registry serves."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from estiba.errors import RegistryError
from estiba.image import media
from estiba.image.difference import Side
from estiba.image.manifest import Image, Index, Manifest, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from estiba.digest import Digest
    from estiba.image.layout import Layout
    from estiba.image.manifest import Descriptor, Document
    from estiba.image.registry import Registry
    from estiba.imageref import ImageRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """An image that somebody built.

    Attributes:
        name: How the user calls it.
        digest: Of its index.
        annotations: Of its index.
        side: Its images and blobs, for a comparison.
    """

    name: str
    digest: Digest
    annotations: Mapping[str, str]
    side: Side

    @property
    def attribute(self) -> str:
        """The flake output that builds it: all platforms, or the one it has."""
        images = self.side.images
        return f"image-{images[0].platform.system}" if len(images) == 1 else "image"


def of_layout(layout: Layout) -> Subject:
    """Take a layout."""
    return Subject(
        name=str(layout.path), digest=layout.digest, annotations=layout.index.annotations, side=Side.of(layout)
    )


@contextmanager
def of_registry(ref: ImageRef, registry: Registry) -> Iterator[Subject]:
    """Take what a registry serves; layers are fetched when a comparison asks for them, and removed at the end.

    Raises:
        RegistryError: There is no such image, or it is no image index.
    """
    top = registry.manifest(ref.reference)
    if top is None or top.media_type != media.INDEX:
        message = f"{ref.host} has no image index {ref}" if top else f"{ref.host} has no image {ref}"
        raise RegistryError(message, hint="look at the name and the tag")
    index = parse(top.data, Index.from_dict, f"index {top.digest}")
    with TemporaryDirectory(prefix="estiba-image-") as folder:

        def fetch(blob: Descriptor) -> Path:
            path = Path(folder, blob.digest.hex)
            if not path.exists():
                path.write_bytes(registry.blob(blob))
            return path

        documents = [registry.manifest(str(entry.digest)) for entry in index.manifests]
        images = [_image(document, fetch) for document in documents if document]
        side = Side(images=images, blob=fetch)
        yield Subject(name=str(ref), digest=top.digest, annotations=index.annotations, side=side)


def _image(document: Document, fetch: Callable[[Descriptor], Path]) -> Image:
    manifest = parse(document.data, Manifest.from_dict, f"manifest {document.digest}")
    return Image.parse(document, fetch(manifest.config).read_bytes())
