"""Push of an OCI layout to a registry, limited to the blobs and manifests that the registry lacks."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from estiba.errors import ImageRefError, RegistryError
from estiba.image import media_types
from estiba.image.manifest import Document, Index, Manifest, parse
from estiba.publish.registry import referrers
from estiba.publish.registry.client import referrers_tag
from estiba.publish.registry.parallel import Cancellation, each
from estiba.publish.registry.transport import JOBS
from estiba.publish.registry.upload import Blob

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from estiba.digest import Digest
    from estiba.image.layout import Layout
    from estiba.image.manifest import Image
    from estiba.imageref import ImageRef
    from estiba.publish.registry.client import Registry
    from estiba.publish.registry.referrers import Attachment


@dataclass(frozen=True, slots=True, kw_only=True)
class PushPlan:
    """Parts of an image that a registry lacks.

    Attributes:
        layout: Layout to push.
        ref: Reference to push to.
        blobs: Blobs to upload.
        images: Images whose manifests are pushed.
        attachments: SBOMs to attach.
        is_tagged: Whether the tag already refers to the image.
        replaced: Digest of another image that the tag refers to, or None.
    """

    layout: Layout
    ref: ImageRef
    blobs: tuple[Blob, ...]
    images: tuple[Image, ...]
    attachments: tuple[Attachment, ...]
    is_tagged: bool
    replaced: Digest | None = None

    @property
    def size(self) -> int:
        """Size of the blobs to upload in bytes."""
        return sum(blob.size for blob in self.blobs)

    def to_dict(self) -> dict[str, Any]:
        """Return the plan in the form of `--json`."""
        return {
            "attachments": [str(item.document.digest) for item in self.attachments],
            "blobs": [{"digest": str(blob.digest), "size": blob.size} for blob in self.blobs],
            "digest": str(self.layout.digest),
            "manifests": [str(image.document.digest) for image in self.images],
            "ref": str(self.ref),
            "tagged": self.is_tagged,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """Result of a push.

    Attributes:
        ref: Reference of the image, with its digest.
        sent: Digests of the uploaded blobs.
        mounted: Digests of the blobs that the registry mounted from another repository.
        size: Size of the uploaded blobs in bytes.
        manifests: Digests of the pushed manifests and indexes.
        requests: Number of requests, including those of the plan.
    """

    ref: ImageRef
    sent: tuple[Digest, ...]
    mounted: tuple[Digest, ...]
    size: int
    manifests: tuple[Digest, ...]
    requests: int

    def to_dict(self) -> dict[str, Any]:
        """Return the result in the form of `--json`."""
        return {
            "digest": str(self.ref.digest),
            "manifests": [str(digest) for digest in self.manifests],
            "mounted": [str(digest) for digest in self.mounted],
            "ref": str(self.ref),
            "requests": self.requests,
            "sent": [str(digest) for digest in self.sent],
            "size": self.size,
        }


def plan(layout: Layout, ref: ImageRef, registry: Registry) -> PushPlan:
    """Return the parts of an image that a registry lacks.

    If the tag refers to the image already, one request is enough for it. Blobs of the manifests under the tag are
    assumed to exist without a request each; `push` recovers if that is wrong.

    Raises:
        ImageRefError: The reference has a digest, which results from the build.
        RegistryError: The registry cannot be reached or refuses.
    """
    if ref.digest:
        message = f"image reference {str(ref)!r}: the build decides the digest"
        raise ImageRefError(message, hint="push to a tag: leave out what follows the @")
    served = registry.manifest(ref.reference)
    is_tagged = served is not None and served.digest == layout.digest
    children = _children(served)
    images = () if is_tagged else tuple(i for i in layout.images if i.document.digest not in children)
    attachments = _missing_attachments(layout, registry)
    known = _known_blobs(registry, children) if images else frozenset()
    blobs = _missing(registry, [*_image_blobs(layout, images), *(item.blob for item in attachments)], known)
    return PushPlan(
        layout=layout,
        ref=ref,
        blobs=blobs,
        images=images,
        attachments=attachments,
        is_tagged=is_tagged,
        replaced=served.digest if served and not is_tagged else None,
    )


def push(wanted: PushPlan, registry: Registry, *, advance: Callable[[int], None] = lambda _: None) -> Pushed:
    """Push the parts of an image in the order of their references: nothing refers to what is not there yet.

    The order is blobs, manifests, SBOMs, the index by digest, and the index by tag.

    Args:
        wanted: Result of `plan`.
        registry: The same registry.
        advance: Called with the number of bytes of each part; negative when a part has to be sent again.

    Raises:
        RegistryError: The registry cannot be reached or refuses, or the tag refers to another digest afterwards.
    """
    uploaded = _upload(registry, wanted.blobs, advance)
    _put_images(wanted, registry, advance)
    _attach(wanted, registry)
    stored = [image.document.digest for image in wanted.images]
    stored += [item.document.digest for item in wanted.attachments]
    if not wanted.is_tagged:
        for reference in (str(wanted.layout.digest), wanted.ref.reference):
            registry.put_manifest(reference, wanted.layout.document)
        stored.append(wanted.layout.digest)
        _check(wanted, registry)
    sent = [blob for blob, is_sent in zip(wanted.blobs, uploaded, strict=True) if is_sent]
    mounted = [blob for blob, is_sent in zip(wanted.blobs, uploaded, strict=True) if not is_sent]
    return Pushed(
        ref=wanted.ref.at(wanted.layout.digest),
        sent=tuple(blob.digest for blob in sent),
        mounted=tuple(blob.digest for blob in mounted),
        size=sum(blob.size for blob in sent),
        manifests=tuple(stored),
        requests=registry.requests,
    )


def _children(served: Document | None) -> frozenset[Digest]:
    """Return the digests of the manifests in an index of the registry."""
    if served is None or served.media_type != media_types.INDEX:
        return frozenset()
    index = parse(served.data, Index.from_dict, f"index {served.digest}")
    return frozenset(entry.digest for entry in index.manifests)


def _known_blobs(registry: Registry, children: Iterable[Digest]) -> frozenset[Digest]:
    """Return the digests of the blobs of manifests in the registry."""
    documents = each(lambda digest: registry.manifest(str(digest)), sorted(children), jobs=JOBS)
    manifests = [parse(item.data, Manifest.from_dict, f"manifest {item.digest}") for item in documents if item]
    return frozenset(blob.digest for manifest in manifests for blob in (manifest.config, *manifest.layers))


def _missing_attachments(layout: Layout, registry: Registry) -> tuple[Attachment, ...]:
    """Return the SBOMs that are not among the referrers of their image."""
    wanted = referrers.collect(layout)
    subjects = {item.subject.digest for item in wanted}
    listed = {entry.digest for subject in sorted(subjects) for entry in registry.referrers(subject)}
    return tuple(item for item in wanted if item.document.digest not in listed)


def _image_blobs(layout: Layout, images: Iterable[Image]) -> list[Blob]:
    return [
        Blob(digest=blob.digest, size=blob.size, path=layout.blob(blob.digest))
        for image in images
        for blob in image.blobs
    ]


def _missing(registry: Registry, blobs: Iterable[Blob], known: frozenset[Digest] = frozenset()) -> tuple[Blob, ...]:
    """Return the blobs that the registry lacks, each once; the largest first, so that it does not start last."""
    unique = {blob.digest: blob for blob in blobs if blob.digest not in known}
    present = each(registry.has_blob, unique, jobs=JOBS)
    missing = [blob for blob, is_there in zip(unique.values(), present, strict=True) if not is_there]
    return tuple(sorted(missing, key=lambda blob: (-blob.size, blob.digest)))


def _upload(registry: Registry, blobs: Iterable[Blob], advance: Callable[[int], None]) -> list[bool]:
    """Upload blobs in parallel and return for each whether it was sent, not mounted."""
    cancellation = Cancellation(advance)
    return each(lambda blob: registry.upload(blob, cancellation), blobs, jobs=JOBS, cancellation=cancellation)


def _put_images(wanted: PushPlan, registry: Registry, advance: Callable[[int], None]) -> None:
    """Push the manifests; if the registry lacks a blob that was assumed to exist, upload it and try again."""
    documents = [image.document for image in wanted.images]
    try:
        each(lambda document: registry.put_manifest(str(document.digest), document), documents, jobs=JOBS)
    except RegistryError as error:
        lost = _missing(registry, _image_blobs(wanted.layout, wanted.images))
        if not lost:
            raise error from None
        _upload(registry, lost, advance)
        each(lambda document: registry.put_manifest(str(document.digest), document), documents, jobs=JOBS)


def _attach(wanted: PushPlan, registry: Registry) -> None:
    """Push the manifests of the SBOMs, and update the referrers tag if the registry has no referrers API."""
    if not wanted.attachments:
        return
    with tempfile.TemporaryDirectory() as folder:
        _upload(registry, _missing(registry, [referrers.write_empty(Path(folder))]), lambda _: None)
    put = each(
        lambda item: registry.put_manifest(str(item.document.digest), item.document), wanted.attachments, jobs=JOBS
    )
    unlisted = [item for item, is_listed in zip(wanted.attachments, put, strict=True) if not is_listed]
    each(
        lambda subject: _list(registry, subject, unlisted),
        sorted({item.subject.digest for item in unlisted}),
        jobs=JOBS,
    )


def _list(registry: Registry, subject: Digest, attachments: Iterable[Attachment]) -> None:
    """Add SBOMs to the index of the referrers tag, and keep the other referrers."""
    added = [item.descriptor for item in attachments if item.subject.digest == subject]
    registry.put_manifest(referrers_tag(subject), referrers.listing([*registry.referrers(subject), *added]))


def _check(wanted: PushPlan, registry: Registry) -> None:
    """Raise an error unless the tag refers to the pushed index."""
    served = registry.manifest(wanted.ref.reference)
    if served is None or served.digest != wanted.layout.digest:
        found = served.digest if served else "nothing"
        message = f"{wanted.ref}: pushed {wanted.layout.digest}, but the registry serves {found}"
        raise RegistryError(message, hint="another push to this tag came between, or the registry rewrites manifests")
