"""What an image consists of: its layers by platform, their share of the whole, and whether they changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from estiba.image import media
from estiba.image.manifest import Image, Index, Manifest, parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from estiba.digest import Digest
    from estiba.image.layout import Layout
    from estiba.image.manifest import Document
    from estiba.image.registry import Registry
    from estiba.imageref import ImageRef


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerReport:
    """One layer.

    Attributes:
        name: Its name, or an empty string in other builders' images.
        contents: What it holds.
        digest: Of its compressed blob.
        size: Of the same, in bytes.
        share: Of its image's layers, from 0 to 1.
        is_shared: Whether all other platforms have the same one.
    """

    name: str
    contents: str
    digest: Digest
    size: int
    share: float
    is_shared: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the form for `--json`."""
        return {
            "contents": self.contents,
            "digest": str(self.digest),
            "name": self.name,
            "shared": self.is_shared,
            "size": self.size,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageReport:
    """One platform's image: its manifest's digest and its layers from the bottom up."""

    platform: str
    digest: Digest
    layers: tuple[LayerReport, ...]

    @property
    def size(self) -> int:
        """Bytes of all layers, compressed."""
        return sum(layer.size for layer in self.layers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """An image with all its platforms.

    Attributes:
        name: How the user calls it.
        digest: Of the index, or of the manifest where there is no index.
        annotations: Of the same.
        images: One for each platform.
    """

    name: str
    digest: Digest
    annotations: Mapping[str, str]
    images: tuple[ImageReport, ...]

    @property
    def size(self) -> int:
        """Bytes of all layers, each counted once."""
        return sum({layer.digest: layer.size for image in self.images for layer in image.layers}.values())

    def to_dict(self) -> dict[str, Any]:
        """Return the form for `--json`."""
        return {
            "annotations": dict(self.annotations),
            "digest": str(self.digest),
            "name": self.name,
            "platforms": [
                {
                    "digest": str(image.digest),
                    "layers": [layer.to_dict() for layer in image.layers],
                    "platform": image.platform,
                    "size": image.size,
                }
                for image in self.images
            ],
            "size": self.size,
        }


def of_layout(layout: Layout) -> Report:
    """Report on a layout."""
    name = layout.name or layout.path.name
    return _report(name, layout.digest, layout.index.annotations, layout.images)


def of_registry(ref: ImageRef, registry: Registry) -> Report | None:
    """Report on an image in a registry, or return None when there is none; no layer is fetched.

    Raises:
        RegistryError: The registry fails or refuses.
        LayoutError: The image has documents that are no OCI documents.
    """
    top = registry.manifest(ref.reference)
    if top is None:
        return None
    if top.media_type != media.INDEX:
        image = _fetch(top, registry)
        return _report(str(ref), top.digest, image.manifest.annotations, [image])
    index = parse(top.data, Index.from_dict, f"index {top.digest}")
    documents = [registry.manifest(str(entry.digest)) for entry in index.manifests]
    images = [_fetch(document, registry) for document in documents if document]
    return _report(str(ref), top.digest, index.annotations, images)


def rows(report: Report) -> list[tuple[object, ...]]:
    """Return a table of all layers; its columns are those of `HEADER`."""
    return [
        (image.platform, layer.name or "-", megabytes(layer.size), percent(layer.share), _short(layer.contents))
        for image in report.images
        for layer in image.layers
    ]


HEADER = ("platform", "layer", "size", "share", "contents")
"""The columns of `rows`."""


def megabytes(size: int) -> str:
    """Write a number of bytes for people, in the decimal units of registries."""
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"  # noqa: PLR2004 - below 0.1 MB


def percent(share: float) -> str:
    """Write a share for people; what is there is never zero."""
    return "<1%" if 0 < share < 0.01 else f"{share:.0%}"  # noqa: PLR2004 - 1 %


def _report(name: str, digest: Digest, annotations: Mapping[str, str], images: Sequence[Image]) -> Report:
    everywhere = frozenset.intersection(*(frozenset(_digests([image])) for image in images)) if images else frozenset()
    shared = everywhere if len(images) > 1 else frozenset()
    return Report(
        name=name, digest=digest, annotations=annotations, images=tuple(_image(image, shared) for image in images)
    )


def _image(image: Image, shared: frozenset[Digest]) -> ImageReport:
    total = sum(layer.blob.size for layer in image.layers)
    layers = tuple(
        LayerReport(
            name=layer.name,
            contents=layer.contents,
            digest=layer.blob.digest,
            size=layer.blob.size,
            share=layer.blob.size / total if total else 0.0,
            is_shared=layer.blob.digest in shared,
        )
        for layer in image.layers
    )
    return ImageReport(platform=str(image.platform), digest=image.document.digest, layers=layers)


def _digests(images: Iterable[Image]) -> list[Digest]:
    return [layer.blob.digest for image in images for layer in image.layers]


def _fetch(document: Document, registry: Registry) -> Image:
    manifest = parse(document.data, Manifest.from_dict, f"manifest {document.digest}")
    return Image.parse(document, registry.blob(manifest.config))


def _short(text: str, limit: int = 60) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
