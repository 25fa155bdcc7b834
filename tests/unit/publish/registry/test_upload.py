"""An upload that breaks off goes on where it stopped, with a registry that keeps what has arrived."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from estiba.digest import Digest
from estiba.errors import RegistryError
from estiba.imageref import ImageRef
from estiba.publish.registry.client import Registry
from estiba.publish.registry.transport import Backoff
from estiba.publish.registry.upload import Blob

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SIZE = 3_000_000


class Uploads:
    """The upload part of a registry, as the distribution specification has it; breaks off on purpose."""

    def __init__(self, breaks: list[int], *, keeps: bool = True, is_silent: bool = False) -> None:
        self.breaks = breaks
        self.is_silent = is_silent
        self.keeps = keeps
        self.data = b""
        self.received = 0
        self.requests: list[str] = []
        self.port = 0

    def receive(self, request: BaseHTTPRequestHandler) -> int:
        """Take the body of a PUT, or part of it, and return the status; 0 means that the connection breaks."""
        start = int(request.headers.get("Content-Range", "0-").split("-")[0])
        if start != len(self.data):
            return 416
        length = int(request.headers["Content-Length"])
        taken = min(length, self.breaks.pop(0)) if self.breaks else length
        self.data += request.rfile.read(taken)
        self.received += taken
        return 201 if taken == length else 0


class Handler(BaseHTTPRequestHandler):
    """Answers for the uploads of its server."""

    protocol_version = "HTTP/1.1"
    uploads: Uploads

    def do_POST(self) -> None:
        """Open an upload."""
        self.uploads.data = b""
        place = {} if self.uploads.is_silent else {"Location": "/v2/shop/blobs/uploads/1?_state=secret"}
        self.answer(202, **place)

    def do_PUT(self) -> None:
        """Take bytes, or break the connection."""
        status = self.uploads.receive(self)
        if status:
            self.answer(status)
        else:
            self.close_connection = True

    def do_GET(self) -> None:
        """Say how much has arrived."""
        arrived = len(self.uploads.data)
        if self.uploads.keeps and arrived:
            self.answer(204, Range=f"0-{arrived - 1}", Location="/v2/shop/blobs/uploads/1?_state=next")
        else:
            self.answer(404)

    def answer(self, status: int, **headers: str) -> None:
        """Send a response without a body."""
        self.uploads.requests.append(f"{self.command} {status}")
        self.send_response(status)
        for name, value in {**headers, "Content-Length": "0"}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@contextmanager
def serving(uploads: Uploads) -> Iterator[Registry]:
    """Serve until the end of the block."""
    handler = type("HandlerOfUploads", (Handler,), {"uploads": uploads})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        ref = ImageRef.parse(f"localhost:{http.server_address[1]}/shop")
        yield Registry(ref, writes=True, backoff=Backoff(attempts=4, sleep=lambda _: None))
        http.shutdown()
        thread.join()


@pytest.fixture
def blob(tmp_path: Path) -> Blob:
    """Write a blob."""
    path = tmp_path / "blob"
    path.write_bytes(os.urandom(SIZE))
    return Blob(digest=Digest.of_file(path), size=SIZE, path=path)


def test_goes_on_where_it_stopped(blob: Blob) -> None:
    """No byte is sent twice, and the progress ends at the blob's size."""
    uploads, told = Uploads([1_000_000, 700_000]), list[int]()
    with serving(uploads) as registry:
        assert registry.upload(blob, told.append)
    assert Digest.of_bytes(uploads.data) == blob.digest
    assert uploads.received == SIZE
    assert sum(told) == SIZE
    assert uploads.requests == ["POST 202", "GET 204", "GET 204", "PUT 201"]


def test_registry_that_says_no_place_is_refused(blob: Blob) -> None:
    """One that answers with neither address nor error is at fault, or a proxy in front of it; nothing is sent."""
    uploads = Uploads([], is_silent=True)
    with serving(uploads) as registry, pytest.raises(RegistryError, match="without saying where to") as caught:
        registry.upload(blob, lambda _: None)
    assert caught.value.hint == "this is a fault of the registry, or of a proxy in front of it"
    assert uploads.requests == ["POST 202"]


def test_starts_anew_where_nothing_is_kept(blob: Blob) -> None:
    """A registry that forgets what has arrived gets the whole blob again."""
    uploads, told = Uploads([1_000_000], keeps=False), list[int]()
    with serving(uploads) as registry:
        assert registry.upload(blob, told.append)
    assert Digest.of_bytes(uploads.data) == blob.digest
    assert sum(told) == SIZE
    assert uploads.requests == ["POST 202", "GET 404", "POST 202", "PUT 201"]


def test_gives_up(blob: Blob) -> None:
    """After the last try the error says what to do, and shows no query."""
    told: list[int] = []
    with serving(Uploads([10] * 9, keeps=False)) as registry, pytest.raises(RegistryError) as caught:
        registry.upload(blob, told.append)
    assert "secret" not in str(caught.value)
    assert caught.value.hint == "run the command again; what has arrived is not sent twice"
    assert sum(told) == 0
