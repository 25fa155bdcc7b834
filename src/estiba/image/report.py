"""Report on an image: layers of each platform with their sizes, shares and contents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from estiba.digest import Digest
    from estiba.image.layout import Layout
    from estiba.image.manifest import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerReport:
    """Report on a layer.

    Attributes:
        name: Name of the layer, or an empty string in images of other builders.
        contents: Packages in the layer, or the command that made it.
        digest: Digest of the compressed blob.
        size: Size of the compressed blob in bytes.
        share: Share in the size of all layers of its image, from 0 to 1.
        is_shared: Whether the images of all platforms have it.
    """

    name: str
    contents: str
    digest: Digest
    size: int
    share: float
    is_shared: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the layer in the form of `--json`."""
        return {
            "contents": self.contents,
            "digest": str(self.digest),
            "name": self.name,
            "shared": self.is_shared,
            "size": self.size,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageReport:
    """Report on the image of a platform: digest of its manifest, and layers from the bottom up."""

    platform: str
    digest: Digest
    layers: tuple[LayerReport, ...]

    @property
    def size(self) -> int:
        """Size of all layers in bytes, compressed."""
        return sum(layer.size for layer in self.layers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Report on an image of one or more platforms.

    Attributes:
        name: Name or reference of the image.
        digest: Digest of the index, or of the manifest if there is no index.
        annotations: Annotations of the index or manifest.
        images: Report on the image of each platform.
    """

    name: str
    digest: Digest
    annotations: Mapping[str, str]
    images: tuple[ImageReport, ...]

    @property
    def size(self) -> int:
        """Size of all layers in bytes, compressed; a layer of several platforms counts once."""
        return sum({layer.digest: layer.size for image in self.images for layer in image.layers}.values())

    def to_dict(self) -> dict[str, Any]:
        """Return the report in the form of `--json`."""
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
    return make(name, layout.digest, layout.index.annotations, layout.images)


def rows(report: Report) -> list[tuple[object, ...]]:
    """Return a table row for each layer; the columns are those of `HEADER`."""
    return [
        (image.platform, layer.name or "-", megabytes(layer.size), percent(layer.share), _short(layer.contents))
        for image in report.images
        for layer in image.layers
    ]


HEADER = ("platform", "layer", "size", "share", "contents")
"""The columns of `rows`."""


def megabytes(size: int) -> str:
    """Format a number of bytes as MB or kB, in powers of 10."""
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"  # noqa: PLR2004 - below 0.1 MB


def percent(share: float) -> str:
    """Format a share from 0 to 1 as a percentage; `<1%` for a small one that is not zero."""
    return "<1%" if 0 < share < 0.01 else f"{share:.0%}"  # noqa: PLR2004 - 1 %


def make(name: str, digest: Digest, annotations: Mapping[str, str], images: Sequence[Image]) -> Report:
    """Report on an image, given the digest and annotations of its index and the image of each platform."""
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


def _short(text: str, limit: int = 60) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
