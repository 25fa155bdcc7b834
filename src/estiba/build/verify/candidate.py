"""The image to verify: an OCI layout on disk, or an image in a registry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from estiba.image.diff import ImageSet

if TYPE_CHECKING:
    from collections.abc import Mapping

    from estiba.digest import Digest
    from estiba.image.layout import Layout


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Image to verify.

    Attributes:
        name: Path or reference that the user gave.
        digest: Digest of the image index.
        annotations: Annotations of the image index.
        image_set: Images and blobs, for a comparison.
    """

    name: str
    digest: Digest
    annotations: Mapping[str, str]
    image_set: ImageSet

    @property
    def attribute(self) -> str:
        """Name of the flake output that builds it: of all platforms, or of the only one that it has."""
        images = self.image_set.images
        return f"image-{images[0].platform.system}" if len(images) == 1 else "image"


def of_layout(layout: Layout) -> Candidate:
    """Return the image of a layout."""
    return Candidate(
        name=str(layout.path), digest=layout.digest, annotations=layout.index.annotations, image_set=ImageSet.of(layout)
    )
