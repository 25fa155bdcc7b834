"""The image to verify: a layout on disk, or what a registry serves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from estiba.image.diff import Side

if TYPE_CHECKING:
    from collections.abc import Mapping

    from estiba.digest import Digest
    from estiba.image.layout import Layout


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
