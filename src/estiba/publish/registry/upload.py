"""Upload of a blob to a registry: mounted from another repository, in one request, or resumed after a failure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin, urlsplit

from estiba.errors import RegistryError
from estiba.publish.registry.transport import TransientError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from estiba.digest import Digest
    from estiba.publish.registry.transport import Transport

_CREATED: Final = 201
_ACCEPTED: Final = 202
_NO_CONTENT: Final = 204
_RANGE: Final = re.compile(r"(?:bytes=)?0-([0-9]+)")
_CHUNK: Final = 1 << 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """Blob to upload: digest, size in bytes, and file with its contents."""

    digest: Digest
    size: int
    path: Path


class FileBody:
    """Request body with the bytes of a file from an offset on, which reports progress."""

    def __init__(self, blob: Blob, offset: int, advance: Callable[[int], None]) -> None:
        self._length = blob.size - offset
        self._offset = offset
        self._advance = advance
        self._file = blob.path.open("rb")
        self.sent = 0
        self.rewind()

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[bytes]:
        while chunk := self.read(_CHUNK):
            yield chunk

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes and report them as sent."""
        chunk = self._file.read(size)
        self.sent += len(chunk)
        self._advance(len(chunk))
        return chunk

    def rewind(self) -> None:
        """Return to the offset, and undo the reported progress."""
        self.undo_progress()
        self._file.seek(self._offset)

    def undo_progress(self) -> None:
        """Report the bytes sent so far as not sent."""
        self._advance(-self.sent)
        self.sent = 0

    def close(self) -> None:
        """Close the file."""
        self._file.close()


@dataclass(slots=True)
class _Session:
    """Upload session: URL for the next bytes, and number of bytes that the registry has."""

    location: str
    offset: int = 0


class Uploader:
    """Upload of blobs to one repository (OCI distribution-spec, "Pushing blobs")."""

    def __init__(self, transport: Transport, repository: str, *, mount_from: str = "") -> None:
        self._transport = transport
        self._path = f"/v2/{repository}/blobs/uploads/"
        self._mount_from = mount_from

    def send(self, blob: Blob, advance: Callable[[int], None]) -> bool:
        """Upload a blob, resuming after failures; return False if the registry mounted it instead.

        Args:
            blob: Blob to upload.
            advance: Called with the number of bytes of each part; negative when a part has to be sent again.

        Raises:
            RegistryError: The registry refuses the blob, or the connection fails repeatedly.
        """
        session: _Session | None = None
        for is_last in self._transport.backoff.tries():
            try:
                session = session or self._begin(blob)
                if session is None:
                    advance(blob.size)
                    return False
                self._put(blob, session, advance)
            except TransientError as error:
                if is_last:
                    hint = "run the command again; what has arrived is not sent twice"
                    raise RegistryError(error.message, hint=hint) from error
                session = self._resume(blob, session, advance) if session else None
            else:
                return True
        raise AssertionError

    def _begin(self, blob: Blob) -> _Session | None:
        """Open an upload session, or return None if the registry mounted the blob."""
        mount = {"mount": str(blob.digest), "from": self._mount_from} if self._mount_from else None
        expect = {_CREATED, _ACCEPTED} if mount else {_ACCEPTED}
        response = self._transport.send_once("POST", self._path, params=mount, expect=expect, body=b"")
        if response.status_code == _CREATED:
            return None
        if not (location := response.headers.get("Location")):
            msg = f"{response.url} began an upload without saying where to (no Location)"
            raise RegistryError(msg, hint="this is a fault of the registry, or of a proxy in front of it")
        return _Session(urljoin(response.url, location))

    def _put(self, blob: Blob, session: _Session, advance: Callable[[int], None]) -> None:
        headers = {"Content-Type": "application/octet-stream"}
        if session.offset:
            headers["Content-Range"] = f"{session.offset}-{blob.size - 1}"
        separator = "&" if urlsplit(session.location).query else "?"
        url = f"{session.location}{separator}digest={blob.digest}"
        body = FileBody(blob, session.offset, advance)
        try:
            self._transport.send_once("PUT", url, headers=headers, body=body, expect={_CREATED})
        except RegistryError:
            body.undo_progress()
            raise
        finally:
            body.close()

    def _resume(self, blob: Blob, session: _Session, advance: Callable[[int], None]) -> _Session | None:
        """Return the session with the number of bytes that have arrived, or None if the upload has to start again."""
        advance(-session.offset)
        try:
            response = self._transport.send_once("GET", session.location, expect={_NO_CONTENT})
        except RegistryError:
            return None
        arrived = _RANGE.fullmatch(response.headers.get("Range", ""))
        # "0-0" means one byte or none, depending on the registry.
        if not arrived or not 0 < int(arrived[1]) < blob.size - 1:
            return None
        offset = int(arrived[1]) + 1
        advance(offset)
        location = urljoin(response.url, response.headers.get("Location", session.location))
        return _Session(location, offset)
