"""nginx of a service on this machine: types of files, limits of requests, and who may say that TLS has ended."""

from __future__ import annotations

import http.client
import shutil
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest
from tests.services import harbour, locking, ports

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

URLS = """
from django.conf import settings
import time

from django.http import HttpResponse, StreamingHttpResponse
from django.middleware.csrf import get_token
from django.urls import path
from django.views.decorators.csrf import csrf_protect


def page(request):
    answer = HttpResponse(f"{request.scheme} {request.META.get('HTTP_X_FORWARDED_FOR')}", content_type="text/plain")
    for name in ("first", "second"):
        answer.set_cookie(name, "x" * 3000)
    return answer


def events(request):
    yield "data: first\\n\\n"
    time.sleep(4)
    yield "data: second\\n\\n"


def stream(request):
    answer = StreamingHttpResponse(events(request), content_type="text/event-stream")
    if "told" in request.GET:
        answer["X-Accel-Buffering"] = "no"
    return answer


def upload(request):
    return HttpResponse(str(len(request.body)))


@csrf_protect
def form(request):
    return HttpResponse(get_token(request))


urlpatterns = [path("", page), path("events/", stream), path("form/", form), path("upload/", upload)]
"""
SETTINGS = """
MIDDLEWARE = ["django.middleware.security.SecurityMiddleware", "whitenoise.middleware.WhiteNoiseMiddleware"]
# Where nginx does not serve them itself, as below an address for a CDN.
WHITENOISE_STATIC_PREFIX = "/origin/"
WHITENOISE_ROOT = BASE_DIR / "tiny" / "public"
SECURE_SSL_REDIRECT = True
SECURE_REDIRECT_EXEMPT = ["^form/"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
DATA_UPLOAD_MAX_MEMORY_SIZE = None
"""
TARGET = """
[tool.estiba.targets.local]
folder = "../state"
port = {port}
upload-limit = "2MB"
request-limit = 5
trusted-proxies = ["127.0.0.1"]

[tool.estiba.targets.local.env]
TINY_DATABASE = "/tmp/tiny.sqlite3"
"""
PROXY = "127.0.0.1"
ELSEWHERE = "127.0.0.2"
# As Python's mimetypes has them, which Django's own server asks.
TYPES = {
    "page.mjs": "text/javascript; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "site.webmanifest": "application/manifest+json; charset=utf-8",
    "data.csv": "text/csv; charset=utf-8",
    "day.ics": "text/calendar; charset=utf-8",
    "note.txt": "text/plain; charset=utf-8",
    "prices.tsv": "text/tab-separated-values; charset=utf-8",
    "guide.md": "text/markdown; charset=utf-8",
    "face.woff2": "font/woff2",
    "art.webp": "image/webp",
    "code.wasm": "application/wasm",
    "unknown": "application/octet-stream",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lay out a service behind a proxy."""
    made = locking.prepare(locking.copy("tiny", tmp_path_factory.mktemp("proxy") / "tiny"))
    (made / "tiny" / "urls.py").write_text(URLS)
    settings = made / "tiny" / "settings.py"
    text = settings.read_text().replace('":memory:"', 'os.environ.get("TINY_DATABASE", ":memory:")')
    settings.write_text(text + SETTINGS)
    for name in TYPES:
        (made / "tiny" / "static" / name).write_text("x")
    # In git, as some services have it.
    (made / "staticfiles").mkdir()
    for name in ("own.txt", "page.js"):
        (made / "staticfiles" / name).write_text("committed")
    (made / "tiny" / "public").mkdir()
    (made / "tiny" / "public" / "robots.txt").write_text("Allow: /")
    harbour.invoke(made, "fetch")
    return made


@pytest.fixture(scope="module")
def port(folder: Path) -> Iterator[int]:
    """Deploy it, first as if nobody were in front."""
    number = ports.find_free()
    file = folder / "pyproject.toml"
    before, target = file.read_text(), TARGET.format(port=number)
    file.write_text(before + target.replace('trusted-proxies = ["127.0.0.1"]\n', ""))
    try:
        refused = harbour.invoke(folder, "deploy", check=False)
        assert refused.returncode != 0
        assert "/ redirects to itself by HTTPS for ever" in refused.stderr
        assert "name the proxy that ends TLS in trusted-proxies of the target" in refused.stderr
        file.write_text(before + target)
        harbour.invoke(folder, "deploy")
        yield number
    finally:
        harbour.invoke(folder, "down")
        shutil.rmtree(folder.parent / "state", ignore_errors=True)


def ask(
    port: int, path: str, body: bytes = b"", headers: Mapping[str, str] = MappingProxyType({}), *, source: str = PROXY
) -> tuple[http.client.HTTPResponse, str]:
    """Return an answer and its text."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20, source_address=(source, 0))
    connection.request("POST" if body else "GET", path, body, dict(headers))
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer, text


def submit(port: int, *, source: str = PROXY) -> int:
    """Send a form as a browser does whose page came over TLS, and return the status of the answer."""
    told = {"Host": "127.0.0.1", "X-Forwarded-Proto": "https"}
    answer, token = ask(port, "/form/", headers=told, source=source)
    cookie = answer.headers["Set-Cookie"].partition(";")[0]
    sent = {"Cookie": cookie, "Origin": "https://127.0.0.1", "X-CSRFToken": token}
    return ask(port, "/form/", b"x", told | sent, source=source)[0].status


def test_trusted_proxy_says_who_asks_and_how(port: int) -> None:
    """The service sees the client's address and that it came over TLS, and answers with large cookies."""
    told = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "198.51.100.7, 203.0.113.9"}

    assert ask(port, "/", headers=told)[1] == "https 203.0.113.9"
    assert ask(port, "/")[0].headers["Location"] == f"https://127.0.0.1:{port}/"
    assert submit(port) == 200


def test_others_are_not_believed(port: int, folder: Path) -> None:
    """Where somebody else connects, his own word changes nothing, and a form of a page by HTTPS is refused."""
    told = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"}
    answer, _ = ask(port, "/", headers=told, source=ELSEWHERE)
    log = harbour.invoke(folder, "logs", "--process", "nginx", "--tail", "3").stdout

    assert answer.status == 301
    assert f'"remote":"{ELSEWHERE}"' in log
    assert "203.0.113.9" not in log
    assert submit(port, source=ELSEWHERE) == 403


def test_files_have_the_types_of_djangos_own_server(port: int) -> None:
    """Text says its encoding, and modules of JavaScript run."""
    assert {name: ask(port, f"/static/{name}")[0].headers["Content-Type"] for name in TYPES} == TYPES


def test_files_that_static_root_has_already_are_served(port: int) -> None:
    """As Django leaves them there, where what is collected takes the place of those of its names."""
    assert [ask(port, f"/static/{name}")[1] for name in ("own.txt", "page.js")] == ["committed", "x"]


def test_uploads_have_the_limit_of_the_target(port: int) -> None:
    """What is larger is refused by nginx."""
    told = {"X-Forwarded-Proto": "https"}

    assert ask(port, "/upload/", b"x" * 1_500_000, told)[1] == "1500000"
    assert ask(port, "/upload/", b"x" * 2_500_000, told)[0].status == 413


@pytest.mark.parametrize(("path", "accept"), [("/events/", "text/event-stream"), ("/events/?told", "*/*")])
def test_events_are_sent_one_by_one(port: int, path: str, accept: str) -> None:
    """What a browser asks for as events, or a service says of an answer, is kept until it is complete by no proxy."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", path, headers={"X-Forwarded-Proto": "https", "Accept": accept})
    answer = connection.getresponse()
    first = answer.read1()
    connection.close()

    assert answer.headers["X-Accel-Buffering"] == "no"
    assert first == b"data: first\n\n"


def test_changed_file_of_the_same_size_is_sent_again(port: int, folder: Path) -> None:
    """ETags that a server of the release makes of time and size differ from one release to the next.

    Both of the service's own files and of collected ones; a file that has not changed is known.
    """
    paths = {"/robots.txt": "public/robots.txt", "/origin/data.csv": "static/data.csv"}
    told = {"X-Forwarded-Proto": "https"}
    known = {path: ask(port, path, headers=told)[0].headers["ETag"] for path in (*paths, "/origin/day.ics")}
    for file in paths.values():
        path = folder / "tiny" / file
        path.write_text("y" * path.stat().st_size)
    harbour.invoke(folder, "deploy")
    asked = {path: ask(port, path, headers={**told, "If-None-Match": tag}) for path, tag in known.items()}

    assert None not in known.values()
    assert {path: (answer.status, text) for path, (answer, text) in asked.items()} == {
        "/robots.txt": (200, "yyyyyyyy"),
        "/origin/data.csv": (200, "y"),
        "/origin/day.ics": (304, ""),
    }
