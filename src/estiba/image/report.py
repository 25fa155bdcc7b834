"""What an image consists of: its layers by platform, their share of the whole, and whether they changed."""

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
    return make(name, layout.digest, layout.index.annotations, layout.images)


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


def make(name: str, digest: Digest, annotations: Mapping[str, str], images: Sequence[Image]) -> Report:
    """Report on an image: its name, the digest and annotations of its index, and the images of its platforms."""
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
