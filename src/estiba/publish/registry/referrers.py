"""SBOMs as referrers: artifact manifests whose subject is an image manifest (OCI image-spec 1.1)."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from estiba.digest import Digest
from estiba.image import media_types
from estiba.image.manifest import Descriptor, Document
from estiba.publish.registry.upload import Blob

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from estiba.image.layout import Layout, Sbom
    from estiba.image.manifest import Image

EMPTY_JSON: Final = b"{}"
"""Contents of the empty descriptor, the configuration of artifacts that have none (OCI image-spec 1.1)."""

_EMPTY: Final = Descriptor(media_type=media_types.EMPTY, digest=Digest.of_bytes(EMPTY_JSON), size=len(EMPTY_JSON))


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """SBOM attached to the image of a platform.

    Attributes:
        subject: Descriptor of the image manifest.
        document: Artifact manifest.
        artifact_type: Media type of the SBOM.
        blob: Blob of the SBOM.
    """

    subject: Descriptor
    document: Document
    artifact_type: str
    blob: Blob

    @property
    def descriptor(self) -> Descriptor:
        """Descriptor of the artifact manifest, as in a list of referrers."""
        return replace(self.document.descriptor, artifact_type=self.artifact_type)

    @classmethod
    def of(cls, sbom: Sbom, image: Image) -> Attachment:
        """Return the attachment of an SBOM to an image; equal arguments give the same bytes."""
        blob = Blob(digest=Digest.of_file(sbom.path), size=sbom.path.stat().st_size, path=sbom.path)
        annotations = {media_types.TITLE: f"sbom.{sbom.path.name.partition('.')[2]}"}
        layer = Descriptor(media_type=sbom.media_type, digest=blob.digest, size=blob.size, annotations=annotations)
        subject = image.document.descriptor
        data = {
            "schemaVersion": 2,
            "mediaType": media_types.MANIFEST,
            "artifactType": sbom.media_type,
            "config": _EMPTY.to_dict(),
            "layers": [layer.to_dict()],
            "subject": subject.to_dict(),
        }
        document = Document(media_type=media_types.MANIFEST, data=_dump(data))
        return cls(subject=subject, document=document, artifact_type=sbom.media_type, blob=blob)


def collect(layout: Layout) -> tuple[Attachment, ...]:
    """Return attachments of all SBOMs of a layout."""
    return tuple(Attachment.of(sbom, image) for image in layout.images for sbom in layout.sboms(image))


def write_empty(folder: Path) -> Blob:
    """Write the empty configuration of artifact manifests to a folder, and return it as a blob to upload."""
    path = folder / "empty.json"
    path.write_bytes(EMPTY_JSON)
    return Blob(digest=_EMPTY.digest, size=_EMPTY.size, path=path)


def listing(referrers: Iterable[Descriptor]) -> Document:
    """Return the index to push under a referrers tag; it has each referrer once, sorted by digest."""
    unique = {descriptor.digest: descriptor for descriptor in referrers}
    entries = [unique[digest].to_dict() for digest in sorted(unique)]
    data = {"schemaVersion": 2, "mediaType": media_types.INDEX, "manifests": entries}
    return Document(media_type=media_types.INDEX, data=_dump(data))


def _dump(data: dict[str, Any]) -> bytes:
    return json.dumps(data, sort_keys=True, separators=(",", ":")).encode()
