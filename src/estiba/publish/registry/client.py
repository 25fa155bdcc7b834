"""Repository of an OCI registry: manifests, blobs and referrers (OCI distribution-spec 1.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from estiba.digest import Digest
from estiba.errors import RegistryError
from estiba.image import media_types
from estiba.image.manifest import Descriptor, Document, Index, parse
from estiba.publish.registry import auth
from estiba.publish.registry.transport import Backoff, Transport
from estiba.publish.registry.upload import Uploader

if TYPE_CHECKING:
    from collections.abc import Callable

    from estiba.imageref import ImageRef
    from estiba.publish.registry.credentials import Credentials
    from estiba.publish.registry.upload import Blob

_OK: Final = 200
_CREATED: Final = 201
_NOT_FOUND: Final = 404
_ACCEPT: Final = f"{media_types.INDEX}, {media_types.MANIFEST}"


class Registry:
    """Repository of a registry.

    Args:
        ref: Image reference with registry and repository; tag and digest are ignored.
        credentials: Credentials; by default access is anonymous.
        writes: Request permission to push.
        mount_from: Another repository of the registry, to mount blobs from.
        insecure: Use plain HTTP, which otherwise only a registry on this machine gets.
        backoff: Retry policy.
    """

    def __init__(
        self,
        ref: ImageRef,
        *,
        credentials: Credentials | None = None,
        writes: bool = False,
        mount_from: str = "",
        insecure: bool = False,
        backoff: Backoff | None = None,
    ) -> None:
        scope = auth.push_scope if writes else auth.pull_scope
        scopes = (scope(ref.repository), *([auth.pull_scope(mount_from)] if mount_from else []))
        self._transport = Transport(ref, scopes=scopes, credentials=credentials, insecure=insecure, backoff=backoff)
        self._root = f"/v2/{ref.repository}"
        self._uploader = Uploader(self._transport, ref.repository, mount_from=mount_from)
        self._lists_referrers: bool | None = None
        self.host = ref.host

    @property
    def requests(self) -> int:
        """Number of requests sent so far."""
        return self._transport.requests

    def manifest(self, reference: str) -> Document | None:
        """Return the manifest or index of a tag or digest, or None if it does not exist.

        Raises:
            RegistryError: The request failed, or the contents have another digest.
        """
        path = f"{self._root}/manifests/{reference}"
        response = self._transport.send("GET", path, headers={"Accept": _ACCEPT}, expect={_OK, _NOT_FOUND})
        if response.status_code == _NOT_FOUND:
            return None
        media_type = response.headers.get("Content-Type", "").partition(";")[0].strip()
        document = Document(media_type=media_type, data=response.content)
        if ":" in reference and str(document.digest) != reference:
            message = f"{self.host} serves other bytes under {reference}: {document.digest}"
            raise RegistryError(message, hint="the registry is damaged; push to a new repository")
        return document

    def has_blob(self, digest: Digest) -> bool:
        """Tell whether the repository has a blob."""
        path = f"{self._root}/blobs/{digest}"
        return self._transport.send("HEAD", path, expect={_OK, _NOT_FOUND}).status_code == _OK

    def blob(self, descriptor: Descriptor) -> bytes:
        """Return the contents of a blob, which must fit into memory.

        Raises:
            RegistryError: The blob does not exist, or has another digest.
        """
        path = f"{self._root}/blobs/{descriptor.digest}"
        data = self._transport.send("GET", path, expect={_OK}, limit=descriptor.size).content
        if Digest.of_bytes(data) != descriptor.digest:
            message = f"{self.host} serves other bytes as blob {descriptor.digest}"
            raise RegistryError(message, hint="the registry is damaged; push to a new repository")
        return data

    def upload(self, blob: Blob, advance: Callable[[int], None] = lambda _: None) -> bool:
        """Upload a blob; return False if the registry mounted it instead.

        Args:
            blob: Blob to upload.
            advance: Called with the number of bytes of each part; negative when a part has to be sent again.
        """
        return self._uploader.send(blob, advance)

    def put_manifest(self, reference: str, document: Document) -> bool:
        """Push a manifest or index; return whether the registry lists it as a referrer (header `OCI-Subject`)."""
        path = f"{self._root}/manifests/{reference}"
        headers = {"Content-Type": document.media_type}
        response = self._transport.send("PUT", path, headers=headers, body=document.data, expect={_CREATED})
        return "OCI-Subject" in response.headers

    def referrers(self, subject: Digest) -> tuple[Descriptor, ...]:
        """Return descriptors of the referrers of a manifest, from the API or the referrers tag if there is no API."""
        if self._lists_referrers is not False:
            path = f"{self._root}/referrers/{subject}"
            response = self._transport.send(
                "GET", path, headers={"Accept": media_types.INDEX}, expect={_OK, _NOT_FOUND}
            )
            self._lists_referrers = response.status_code == _OK
            if self._lists_referrers:
                return parse(response.content, Index.from_dict, f"referrers of {subject}").manifests
        document = self.manifest(referrers_tag(subject))
        return parse(document.data, Index.from_dict, f"referrers of {subject}").manifests if document else ()


def referrers_tag(subject: Digest) -> str:
    """Return the tag of the index that replaces the referrers API (distribution-spec, "Referrers Tag Schema")."""
    return f"sha256-{subject.hex}"
