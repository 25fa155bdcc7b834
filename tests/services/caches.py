"""An HTTP server for a binary cache: a folder that is read with GET and HEAD and written with PUT."""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class CacheServer(ThreadingHTTPServer):
    """Serves a folder on a loopback port.

    Attributes:
        folder: What it serves.
        requests: Method and path of every request so far.
        failures: How many of the next uploads to answer with `failure`, after reading them.
        failure: The status of those.
        silent: Pattern of the paths at which it takes a request and then sends nothing more; empty for none.
        half: Whether it sends the head and the first half of an answer before it falls silent.
    """

    daemon_threads = True

    def __init__(self, folder: Path, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.folder = folder
        self.requests: list[str] = []
        self.failures = 0
        self.failure = HTTPStatus.SERVICE_UNAVAILABLE
        self.silent = ""
        self.half = False
        self.is_over = threading.Event()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_port}"

    def puts(self) -> list[str]:
        """Return the paths of all uploads so far, in order."""
        return [request.removeprefix("PUT ") for request in self.requests if request.startswith("PUT ")]


@contextmanager
def run(folder: Path, port: int = 0) -> Iterator[CacheServer]:
    """Serve a folder until the end of the block."""
    folder.mkdir(parents=True, exist_ok=True)
    with CacheServer(folder, port) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.is_over.set()
            server.shutdown()
            thread.join()


class _Handler(SimpleHTTPRequestHandler):
    server: CacheServer
    protocol_version = "HTTP/1.1"

    def translate_path(self, path: str) -> str:
        return str(self.server.folder / path.partition("?")[0].lstrip("/"))

    def do_GET(self) -> None:
        if not self.server.silent or not re.search(self.server.silent, self.path):
            super().do_GET()
            return
        self.log_request()
        if self.server.half:
            body = (self.server.folder / self.path.lstrip("/")).read_bytes()
            self.send_response_only(HTTPStatus.OK)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2])
        self.server.is_over.wait()
        self.close_connection = True

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.failures:
            self.server.failures -= 1
            self._answer(self.server.failure)
            return
        target = self.server.folder / self.path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(body)
        self._answer(HTTPStatus.CREATED)

    def _answer(self, status: HTTPStatus) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as inherited
        del format, args
        self.server.requests.append(f"{self.command} {self.path}")
