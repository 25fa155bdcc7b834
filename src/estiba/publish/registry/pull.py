"""An image that a registry serves, read for a report or a verification."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from estiba.build.verify.subject import Subject
from estiba.errors import RegistryError
from estiba.image import media_types, report
from estiba.image.diff import Side
from estiba.image.manifest import Image, Index, Manifest, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from estiba.image.manifest import Descriptor, Document
    from estiba.image.report import Report
    from estiba.imageref import ImageRef
    from estiba.publish.registry.client import Registry


def read_report(ref: ImageRef, registry: Registry) -> Report | None:
    """Report on an image in a registry, or return None when there is none; no layer is fetched.

    Raises:
        RegistryError: The registry fails or refuses.
        LayoutError: The image has documents that are no OCI documents.
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
def open_subject(ref: ImageRef, registry: Registry) -> Iterator[Subject]:
    """Take what a registry serves; layers are fetched when a comparison asks for them, and removed at the end.

    Raises:
        RegistryError: There is no such image, or it is no image index.
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
        side = Side(images=images, blob=fetch)
        yield Subject(name=str(ref), digest=top.digest, annotations=index.annotations, side=side)


def _image(document: Document, fetch: Callable[[Descriptor], Path]) -> Image:
    manifest = parse(document.data, Manifest.from_dict, f"manifest {document.digest}")
    return Image.parse(document, fetch(manifest.config).read_bytes())


def _fetch(document: Document, registry: Registry) -> Image:
    manifest = parse(document.data, Manifest.from_dict, f"manifest {document.digest}")
    return Image.parse(document, registry.blob(manifest.config))
