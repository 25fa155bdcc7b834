from __future__ import annotations

import itertools
import threading
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from estiba import endpoint, limits
from estiba.cache import service
from estiba.cache.address import Address
from estiba.deploy.kubernetes.client import pages
from estiba.digest import Digest
from estiba.endpoint import Endpoint
from estiba.errors import CacheError, RegistryError, TargetError
from estiba.image.manifest import Descriptor
from estiba.imageref import ImageRef
from estiba.publish.registry.client import Registry
from estiba.publish.registry.transport import Backoff
from estiba.release.notify.send import _post
from estiba.release.prometheus import Prometheus

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

    def do_POST(self) -> None:
        """Send the same to whoever asks so."""
        self.do_GET()

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@contextmanager
def sending(part: bytes) -> Iterator[int]:
    """Send a part without end until the end of the block, and yield the port."""
    Handler.part = part
    Handler.over.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield http.server_address[1]
        finally:
            Handler.over.set()
            http.shutdown()


@contextmanager
def serving(part: bytes) -> Iterator[Registry]:
    """Serve a registry that sends a part without end."""
    with sending(part) as port:
        yield Registry(
            ImageRef.parse(f"localhost:{port}/shop"), writes=False, backoff=Backoff(attempts=2, sleep=lambda _: None)
        )


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


def test_page_a_byte_at_a_time_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deployment's smoke test would never end."""
    monkeypatch.setattr(limits, "_PATIENCE", 0.5)
    with sending(b"x") as port:
        assert Endpoint(host="localhost", address="127.0.0.1", port=port).problem("/") == "/ does not answer"


def test_page_without_end_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not kept in memory to its end."""
    monkeypatch.setattr(endpoint, "_LARGEST", 2**20)
    with sending(b"x" * 2**16) as port, pytest.raises(OSError, match="more than 1048576 bytes"):
        Endpoint(host="localhost", address="127.0.0.1", port=port).ask("/")


def test_services_that_send_without_end_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prometheus, SonarQube and a cache that are none, or that somebody else has taken over."""
    monkeypatch.setattr(service, "_LARGEST", 2**20)
    now = datetime.now(UTC)
    with sending(b"x" * 2**16) as port:
        url = f"http://127.0.0.1:{port}"
        with pytest.raises(TargetError, match="cannot be asked: more than 8388608 bytes"):
            Prometheus(url=url).count("up", since=now, until=now)
        client = service.Service(Address.parse(url), None)
        assert not client.is_service()
        with pytest.raises(CacheError, match="it answers with more than 1048576 bytes"):
            client.read_pins()


def test_answer_that_nobody_reads_is_not_waited_for() -> None:
    """Of a page and of a webhook the status alone counts."""
    with sending(b"x") as port:
        url = f"http://127.0.0.1:{port}"
        assert pages.find_problem(url) == ""
        assert _post(url, {}) == ""
