"""A package index on a loopback port that wants a name and a password."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.server
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

USER: Final = "harbourmaster"
PASSWORD: Final = "low-tide-at-nine"


@dataclass(kw_only=True)
class RunningIndex:
    """An index that serves the wheels of a folder.

    Attributes:
        folder: The wheels; what is written there later is served too.
        port: Where it listens.
        denied: How many requests came without the right credentials.
        ranges: Which parts of files were asked for.
        yanked: Reasons by the names of files that are withdrawn (PEP 592).
        damage: File names that are served with other bytes than their hash says.
        asked: Set by the first request.
        answering: While it is cleared, requests get no answer.
    """

    folder: Path
    port: int = 0
    denied: int = 0
    ranges: list[str] = field(default_factory=list)
    yanked: dict[str, str] = field(default_factory=dict)
    damage: set[str] = field(default_factory=set)
    asked: threading.Event = field(default_factory=threading.Event)
    answering: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        """Answer from the start."""
        self.answering.set()

    @property
    def url(self) -> str:
        """Its address without credentials."""
        return f"http://localhost:{self.port}/simple/"

    @property
    def url_with_credentials(self) -> str:
        """Its address with credentials, as people write it into pip's configuration."""
        return f"http://{USER}:{PASSWORD}@localhost:{self.port}/simple/"

    def page(self, project: str) -> bytes | None:
        """Return the page of a project, or None if it has no files."""
        files = [path for path in sorted(self.folder.iterdir()) if path.name.split("-")[0].replace("_", "-") == project]
        links = (
            f'<a href="/files/{path.name}#sha256={hashlib.sha256(path.read_bytes()).hexdigest()}"'
            f"{self._mark(path.name)}>{path.name}</a>"
            for path in files
        )
        return f"<!DOCTYPE html><html><body>{' '.join(links)}</body></html>".encode() if files else None

    def _mark(self, name: str) -> str:
        return f' data-yanked="{self.yanked[name]}"' if name in self.yanked else ""

    def file(self, name: str) -> bytes | None:
        """Return a file's bytes."""
        path = self.folder / name
        if not path.is_file():
            return None
        data = path.read_bytes()
        return data[:-1] + b"!" if name in self.damage else data


class _Handler(http.server.BaseHTTPRequestHandler):
    index: RunningIndex

    def do_GET(self) -> None:
        self.index.asked.set()
        self.index.answering.wait()
        expected = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if self.headers.get("Authorization") != expected:
            self.index.denied += 1
            self._answer(401, b"who is there?", {"WWW-Authenticate": 'Basic realm="index"'})
            return
        kind, _, name = self.path.strip("/").partition("/")
        data = self.index.page(name) if kind == "simple" else self.index.file(name)
        if data is not None and (part := self.headers.get("Range")):
            self.index.ranges.append(part)
            start = int(part.removeprefix("bytes=").removesuffix("-"))
            self._answer(206, data[start:], {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"})
            return
        self._answer(200 if data is not None else 404, data or b"", {"Content-Type": "text/html"})

    def _answer(self, code: int, data: bytes, headers: dict[str, str]) -> None:
        # Whoever was left without an answer may be gone.
        with contextlib.suppress(ConnectionError):
            self.send_response(code)
            for key, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has there
        """Say nothing."""


@contextlib.contextmanager
def run(folder: Path) -> Iterator[RunningIndex]:
    """Serve a folder until the end of the block."""
    running = RunningIndex(folder=folder)
    handler = type("Handler", (_Handler,), {"index": running})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    running.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield running
    finally:
        running.answering.set()
        server.shutdown()
        server.server_close()
        thread.join()
