"""Static files that are kept on another machine: a build collects none, and each release uploads its own."""

from __future__ import annotations

import http.client
import http.server
import json
import shutil
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from tests.services import harbour, locking, ports

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STORAGE = """
import os
import urllib.error
import urllib.request

from django.contrib.staticfiles.storage import ManifestFilesMixin
from django.core.files.base import ContentFile
from django.core.files.storage import Storage


class Plain(Storage):
    def ask(self, name, method, data=None):
        address = f"{os.environ['STORE']}/{name}"
        return urllib.request.urlopen(urllib.request.Request(address, data=data, method=method), timeout=20).read()

    def exists(self, name):
        try:
            self.ask(name, "HEAD")
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            return False
        return True

    def _open(self, name, mode="rb"):
        try:
            return ContentFile(self.ask(name, "GET"), name)
        except urllib.error.HTTPError as error:
            raise FileNotFoundError(name) from error

    def _save(self, name, content):
        content.seek(0)
        data = content.read()
        self.ask(name, "PUT", data if isinstance(data, bytes) else data.encode())
        return name

    def delete(self, name):
        self.ask(name, "DELETE")

    def path(self, name):
        raise NotImplementedError

    def url(self, name):
        return f"{os.environ['STORE']}/{name}"


class Remote(ManifestFilesMixin, Plain):
    pass
"""
SETTINGS = """
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "tiny.remote.Remote"},
}
MIDDLEWARE = []
"""
URLS = """
from django.http import HttpResponse
from django.templatetags.static import static
from django.urls import path

urlpatterns = [path("", lambda _request: HttpResponse(static("tiny.css"), content_type="text/plain"))]
"""
TARGET = """
[tool.estiba.env]
STORE = "http://nowhere.invalid"

[tool.estiba.targets.local]
folder = "../state"
port = {port}

[tool.estiba.targets.local.env]
TINY_DATABASE = "/tmp/tiny.sqlite3"
STORE = "{address}"
"""


@dataclass
class Store:
    """What an object store has, and whether it takes more."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    is_full: bool = False


@contextmanager
def serving() -> Iterator[Store]:
    """Serve a store by HTTP, as those of S3 are."""
    store = Store()

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            code, body = 200, b""
            if self.command == "PUT":
                content = self.rfile.read(int(self.headers["Content-Length"]))
                code = 507 if store.is_full else 200
                if not store.is_full:
                    store.files[self.path] = content
            elif self.command == "DELETE":
                store.files.pop(self.path, None)
            else:
                body, code = store.files.get(self.path, b""), 200 if self.path in store.files else 404
            self.send_response(code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(b"" if self.command == "HEAD" else body)

        do_GET = do_HEAD = do_PUT = do_DELETE = answer  # noqa: N815 - the names that it looks for

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        store.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield store
        server.shutdown()
        thread.join()


@pytest.fixture
def store() -> Iterator[Store]:
    """Yield an empty store."""
    with serving() as found:
        yield found


@pytest.fixture
def port() -> int:
    """Return a port for the service."""
    return ports.find_free()


@pytest.fixture
def folder(tmp_path: Path, store: Store, port: int) -> Iterator[Path]:
    """Lay out a service that keeps its static files in the store."""
    made = locking.prepare(locking.copy("tiny", tmp_path / "tiny"))
    (made / "tiny" / "remote.py").write_text(STORAGE)
    (made / "tiny" / "urls.py").write_text(URLS)
    settings = made / "tiny" / "settings.py"
    text = settings.read_text().replace('":memory:"', 'os.environ.get("TINY_DATABASE", ":memory:")')
    settings.write_text(text + SETTINGS)
    with (made / "pyproject.toml").open("a") as file:
        file.write(TARGET.format(port=port, address=store.address))
    harbour.invoke(made, "fetch")
    yield made
    harbour.invoke(made, "down", check=False)
    shutil.rmtree(made.parent / "state", ignore_errors=True)


def ask(port: int) -> str:
    """Return the address of the style sheet, as the page has it."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", "/")
    text = connection.getresponse().read().decode()
    connection.close()
    return text


def test_each_release_uploads_its_files(folder: Path, store: Store, port: int) -> None:
    """They are there before the release is served; one that cannot bring them is not, and a way back brings the old."""
    sheet = folder / "tiny" / "static" / "tiny.css"
    harbour.invoke(folder, "deploy")
    first, manifest = ask(port), store.files["/staticfiles.json"]
    assert store.files[first.removeprefix(store.address)] == sheet.read_bytes()

    sheet.write_text("body { color: red }\n")
    store.is_full = True
    failed = harbour.invoke(folder, "deploy", check=False)
    assert failed.returncode != 0
    assert "static files could not be uploaded:" in failed.stderr
    assert "nothing was switched" in failed.stderr
    assert ask(port) == first

    store.is_full = False
    harbour.invoke(folder, "deploy")
    assert ask(port) != first
    assert store.files[ask(port).removeprefix(store.address)] == b"body { color: red }\n"

    # So that a cluster, too, knows what a way back has to bring.
    kept = [json.loads(one.read_text()) for one in (folder.parent / "state" / "releases").glob("*.json")]
    assert [one["manifest"]["uploads"] for one in kept] == [True] * len(kept) != []

    harbour.invoke(folder, "rollback")
    assert ask(port) == first
    assert store.files["/staticfiles.json"] == manifest
