"""Image in a registry, read for a report or a verification."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from estiba.build.verify.candidate import Candidate
from estiba.errors import RegistryError
from estiba.image import media_types, report
from estiba.image.diff import ImageSet
from estiba.image.manifest import Image, Index, Manifest, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from estiba.image.manifest import Descriptor, Document
    from estiba.image.report import Report
    from estiba.imageref import ImageRef
    from estiba.publish.registry.client import Registry


def read_report(ref: ImageRef, registry: Registry) -> Report | None:
    """Return a report on an image in a registry, or None if it does not exist; no layer is downloaded.

    Raises:
        RegistryError: The registry cannot be reached or refuses.
        LayoutError: The image has documents that are not OCI documents.
    """
    top = registry.manifest(ref.reference)
    if top is None:
        return None
    if top.media_type != media_types.INDEX:
        image = _fetch(top, registry)
        return report.make(str(ref), top.digest, image.manifest.annotations, [image])
    index = parse(top.data, Index.from_dict, f"index {top.digest}")
    documents = [registry.manifest(str(entry.digest)) for entry in index.manifests]
    images = [_fetch(document, registry) for document in documents if document]
    return report.make(str(ref), top.digest, index.annotations, images)


@contextmanager
def open_candidate(ref: ImageRef, registry: Registry) -> Iterator[Candidate]:
    """Open an image in a registry for verification; layers are downloaded on demand, and removed at the end.

    Most verifications need no layer, since the digests of the indexes are equal.

    Raises:
        RegistryError: The image does not exist, or is not an image index.
    """
    top = registry.manifest(ref.reference)
    if top is None or top.media_type != media_types.INDEX:
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
        image_set = ImageSet(images=images, blob=fetch)
        yield Candidate(name=str(ref), digest=top.digest, annotations=index.annotations, image_set=image_set)


def _image(document: Document, fetch: Callable[[Descriptor], Path]) -> Image:
    manifest = parse(document.data, Manifest.from_dict, f"manifest {document.digest}")
    return Image.parse(document, fetch(manifest.config).read_bytes())


def _fetch(document: Document, registry: Registry) -> Image:
    manifest = parse(document.data, Manifest.from_dict, f"manifest {document.digest}")
    return Image.parse(document, registry.blob(manifest.config))
