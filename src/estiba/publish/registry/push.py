"""Pushing a layout to a registry: what is missing there, and nothing else."""

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
from estiba.publish.registry.parallel import Stop, each
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
    """What a registry lacks of an image.

    Attributes:
        layout: The image.
        ref: Where it goes.
        blobs: Blobs to send.
        images: Images whose manifests are to be stored.
        attachments: Bills of materials to attach.
        is_tagged: Whether the tag points to the image already.
    """

    layout: Layout
    ref: ImageRef
    blobs: tuple[Blob, ...]
    images: tuple[Image, ...]
    attachments: tuple[Attachment, ...]
    is_tagged: bool

    @property
    def size(self) -> int:
        """Bytes of the blobs to send."""
        return sum(blob.size for blob in self.blobs)

    def to_dict(self) -> dict[str, Any]:
        """Return the form for `--json`."""
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
    """What a push did.

    Attributes:
        ref: The image's reference, with its digest.
        sent: Digests of the blobs whose bytes travelled.
        mounted: Digests of the blobs that the registry took from another repository.
        size: Bytes of the blobs sent.
        manifests: Digests of the manifests and indexes stored.
        requests: How many requests it took, the plan's included.
    """

    ref: ImageRef
    sent: tuple[Digest, ...]
    mounted: tuple[Digest, ...]
    size: int
    manifests: tuple[Digest, ...]
    requests: int

    def to_dict(self) -> dict[str, Any]:
        """Return the form for `--json`."""
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
    """Find out what a registry lacks; an image that is there costs a request, its attachments few more.

    Blobs of an image that the tag points to are taken to be there.

    Raises:
        ImageRefError: The reference has a digest, which only the build decides.
        RegistryError: The registry fails or refuses.
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
    return PushPlan(layout=layout, ref=ref, blobs=blobs, images=images, attachments=attachments, is_tagged=is_tagged)


def push(wanted: PushPlan, registry: Registry, *, advance: Callable[[int], None] = lambda _: None) -> Pushed:
    """Send what a plan says: blobs, then manifests, then what is attached to them, then the index, then the tag.

    Raises:
        RegistryError: The registry fails or refuses, or serves another digest afterwards.
    """
    travelled = _upload(registry, wanted.blobs, advance)
    _put_images(wanted, registry, advance)
    _attach(wanted, registry)
    stored = [image.document.digest for image in wanted.images]
    stored += [item.document.digest for item in wanted.attachments]
    if not wanted.is_tagged:
        for reference in (str(wanted.layout.digest), wanted.ref.reference):
            registry.put_manifest(reference, wanted.layout.document)
        stored.append(wanted.layout.digest)
        _check(wanted, registry)
    sent = [blob for blob, has_travelled in zip(wanted.blobs, travelled, strict=True) if has_travelled]
    mounted = [blob for blob, has_travelled in zip(wanted.blobs, travelled, strict=True) if not has_travelled]
    return Pushed(
        ref=wanted.ref.at(wanted.layout.digest),
        sent=tuple(blob.digest for blob in sent),
        mounted=tuple(blob.digest for blob in mounted),
        size=sum(blob.size for blob in sent),
        manifests=tuple(stored),
        requests=registry.requests,
    )


def _children(served: Document | None) -> frozenset[Digest]:
    """Return the digests of the manifests in a served index."""
    if served is None or served.media_type != media_types.INDEX:
        return frozenset()
    index = parse(served.data, Index.from_dict, f"index {served.digest}")
    return frozenset(entry.digest for entry in index.manifests)


def _known_blobs(registry: Registry, children: Iterable[Digest]) -> frozenset[Digest]:
    """Return the blobs of served manifests."""
    documents = each(lambda digest: registry.manifest(str(digest)), sorted(children), jobs=JOBS)
    manifests = [parse(item.data, Manifest.from_dict, f"manifest {item.digest}") for item in documents if item]
    return frozenset(blob.digest for manifest in manifests for blob in (manifest.config, *manifest.layers))


def _missing_attachments(layout: Layout, registry: Registry) -> tuple[Attachment, ...]:
    """Return the bills of materials that no list of referrers names yet."""
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
    """Return the blobs that the registry does not have, each once, the largest first."""
    unique = {blob.digest: blob for blob in blobs if blob.digest not in known}
    present = each(registry.has_blob, unique, jobs=JOBS)
    missing = [blob for blob, is_there in zip(unique.values(), present, strict=True) if not is_there]
    return tuple(sorted(missing, key=lambda blob: (-blob.size, blob.digest)))


def _upload(registry: Registry, blobs: Iterable[Blob], advance: Callable[[int], None]) -> list[bool]:
    """Send blobs, some at once, and tell of each whether its bytes travelled."""
    stop = Stop(advance)
    return each(lambda blob: registry.upload(blob, stop), blobs, jobs=JOBS, stop=stop)


def _put_images(wanted: PushPlan, registry: Registry, advance: Callable[[int], None]) -> None:
    """Store the manifests; when the registry misses a blob that was taken to be there, send it and try again."""
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
    """Store the attachments' manifests, and list them by hand where the registry does not."""
    if not wanted.attachments:
        return
    with tempfile.TemporaryDirectory() as folder:
        _upload(registry, _missing(registry, [referrers.write_empty(Path(folder))]), lambda _: None)
    put = each(
        lambda item: registry.put_manifest(str(item.document.digest), item.document), wanted.attachments, jobs=JOBS
    )
    by_hand = [item for item, is_listed in zip(wanted.attachments, put, strict=True) if not is_listed]
    each(
        lambda subject: _list(registry, subject, by_hand), sorted({item.subject.digest for item in by_hand}), jobs=JOBS
    )


def _list(registry: Registry, subject: Digest, attachments: Iterable[Attachment]) -> None:
    """Add attachments to the list of referrers that a tag points to; what others attached stays."""
    ours = [item.descriptor for item in attachments if item.subject.digest == subject]
    registry.put_manifest(referrers_tag(subject), referrers.listing([*registry.referrers(subject), *ours]))


def _check(wanted: PushPlan, registry: Registry) -> None:
    """Hold that the registry serves what was pushed."""
    served = registry.manifest(wanted.ref.reference)
    if served is None or served.digest != wanted.layout.digest:
        found = served.digest if served else "nothing"
        message = f"{wanted.ref}: pushed {wanted.layout.digest}, but the registry serves {found}"
        raise RegistryError(message, hint="another push to this tag came between, or the registry rewrites manifests")
