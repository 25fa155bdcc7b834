from __future__ import annotations

import itertools
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from estiba.digest import Digest
from estiba.errors import RegistryError
from estiba.image.manifest import Descriptor
from estiba.imageref import ImageRef
from estiba.publish.registry import limits
from estiba.publish.registry.client import Registry
from estiba.publish.registry.transport import Backoff

if TYPE_CHECKING:
    from collections.abc import Iterator

DIGEST = Digest.of_bytes(b"x" * 100)


class Handler(BaseHTTPRequestHandler):
    """Sends without end."""

    part = b""
    over = threading.Event()

    def do_GET(self) -> None:
        """Send the same part again and again."""
        self.send_response(200)
        self.end_headers()
        try:
            for _ in itertools.count():
                self.wfile.write(self.part)
                self.wfile.flush()
                if len(self.part) == 1 and self.over.wait(0.05):
                    return
        except OSError:
            return

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@contextmanager
def serving(part: bytes) -> Iterator[Registry]:
    """Serve a part without end until the end of the block."""
    Handler.part = part
    Handler.over.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
        ref = ImageRef.parse(f"localhost:{http.server_address[1]}/shop")
        try:
            yield Registry(ref, writes=False, backoff=Backoff(attempts=2, sleep=lambda _: None))
        finally:
            Handler.over.set()
            http.shutdown()


def test_document_without_end_is_cut_off() -> None:
    """A registry could fill the memory otherwise."""
    with serving(b"x" * 2**16) as registry, pytest.raises(RegistryError, match="with more than 8388608 bytes"):
        registry.manifest("latest")


def test_blob_is_no_larger_than_its_manifest_says() -> None:
    """What follows is not even read."""
    blob = Descriptor(media_type="application/octet-stream", digest=DIGEST, size=100)
    with serving(b"x" * 64) as registry, pytest.raises(RegistryError, match="with more than 100 bytes"):
        registry.blob(blob)


def test_byte_at_a_time_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each read would succeed, for years."""
    monkeypatch.setattr(limits, "_PATIENCE", 0.5)
    with serving(b"x") as registry, pytest.raises(RegistryError, match="with less than 50000 bytes a second"):
        registry.manifest("latest")
