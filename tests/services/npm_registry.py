"""A private npm registry on loopback, with packages that are made here."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import tarfile
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN: Final = "kq3v9XwLz0-not-to-be-seen"


@dataclass(frozen=True, kw_only=True)
class Registry:
    """A running registry.

    Attributes:
        port: Where it listens, on loopback.
        packages: Tarball of each package by its name; all have version 1.0.0.
        asked: The paths of all requests that had the token.
    """

    port: int
    packages: dict[str, bytes]
    asked: list[str] = field(default_factory=list)

    @property
    def npmrc(self) -> str:
        """The user's configuration for it."""
        return f"registry=http://127.0.0.1:{self.port}/\n//127.0.0.1:{self.port}/:_authToken={TOKEN}\n"

    def entry(self, name: str, **more: object) -> dict[str, Any]:
        """Return what a package-lock.json without hosts says of a package."""
        return {"version": "1.0.0", "integrity": integrity(self.packages[name]), **more}

    def describe(self, name: str) -> dict[str, Any]:
        """Return the document of a package."""
        dist = {
            "integrity": integrity(self.packages[name]),
            "tarball": f"http://127.0.0.1:{self.port}/{name}/-/{name}-1.0.0.tgz",
        }
        version = {"name": name, "version": "1.0.0", "dist": dist}
        return {"name": name, "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version}}


def pack(name: str, files: dict[str, str], **manifest: object) -> bytes:
    """Return the tarball of a package."""
    contents = {"package.json": json.dumps({"name": name, "version": "1.0.0", **manifest}), **files}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, text in contents.items():
            member = tarfile.TarInfo(f"package/{path}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return gzip.compress(buffer.getvalue(), mtime=0)


def integrity(data: bytes) -> str:
    """Return the hash that npm locks."""
    return f"sha512-{base64.b64encode(hashlib.sha512(data).digest()).decode()}"


@contextmanager
def run(packages: dict[str, bytes]) -> Iterator[Registry]:
    """Run a registry with some packages."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.registry = Registry(port=server.server_port, packages=packages)  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.registry  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """Answer with a document or a tarball to who has the token."""
        registry: Registry = self.server.registry  # type: ignore[attr-defined]
        name = self.path.split("/")[1].partition("?")[0]
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._answer(401, b"{}")
        elif name not in registry.packages:
            self._answer(404, b"{}")
        else:
            registry.asked.append(self.path)
            document = json.dumps(registry.describe(name)).encode()
            self._answer(200, registry.packages[name] if "/-/" in self.path else document)

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self, code: int, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
