"""What visitors of a service on one machine can do: upload pages, and hold connections."""

from __future__ import annotations

import resource
import socket
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

import pytest
from tests.services import sites

from estiba import config
from estiba.deploy import targets

if TYPE_CHECKING:
    from collections.abc import Iterator
    from http.client import HTTPMessage
    from pathlib import Path

    from tests.services.sites import Site

SLOW = 2100
"""Connections that once stopped a site: more than two workers of nginx took."""

UPLOADS = """
import os
from pathlib import Path
from django.conf import settings

folder = Path(settings.MEDIA_ROOT, "by", "users")
folder.mkdir(parents=True)
for name in ("page.html", "drawing.svg", "picture.png", "paper.pdf", "notes"):
    (folder / name).write_text("<script>alert(1)</script>")
(folder / "leak.png").symlink_to("/etc/passwd")
"""


@pytest.fixture(scope="module")
def running(harbour: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Deploy the service with a place for uploads."""
    with sites.deployed(harbour, tmp_path_factory.mktemp("host")) as site:
        (settings,) = site.folder.glob("config/settings.py")
        with settings.open("a") as file:
            file.write('\nMEDIA_URL = "/media/"\nMEDIA_ROOT = os.environ.get("MEDIA_ROOT", "/app/media")\n')
        text = settings.read_text()
        settings.write_text(f"import os\n{text}" if "import os\n" not in text else text)
        site.run("deploy")
        ran = targets.load(site.folder, "local", config.load()).manage(["shell", "-c", UPLOADS])
        assert ran.has_passed, ran.output
        yield site


def headers(site: Site, name: str) -> HTTPMessage:
    """Return the headers of an upload."""
    with urllib.request.urlopen(f"http://127.0.0.1:{site.port}/media/by/users/{name}", timeout=10) as answer:
        found: HTTPMessage = answer.headers
    return found


@pytest.mark.parametrize(
    ("name", "kind", "disposition"),
    [
        ("page.html", "text/html", "attachment"),
        ("drawing.svg", "image/svg+xml", "attachment"),
        ("picture.png", "image/png", None),
        ("notes", "application/octet-stream", None),
    ],
)
def test_uploads_run_nothing_in_the_sites_origin(running: Site, name: str, kind: str, disposition: str | None) -> None:
    """Pages and drawings are saved; whatever is shown is in a sandbox, and is what its name says."""
    found = headers(running, name)

    assert (found["Content-Type"], found["Content-Disposition"]) == (kind, disposition)
    assert found["Content-Security-Policy"].endswith("; sandbox")
    assert found["X-Content-Type-Options"] == "nosniff"


def test_papers_are_shown(running: Site) -> None:
    """A browser's viewer does not work in a sandbox."""
    found = headers(running, "paper.pdf")

    assert (found["Content-Type"], found["Content-Disposition"]) == ("application/pdf", None)
    assert "sandbox" not in found["Content-Security-Policy"]


def test_link_among_uploads_leads_to_no_file_of_others(running: Site) -> None:
    """The service could have nginx read what it may not read itself."""
    with pytest.raises(urllib.error.HTTPError) as caught:
        headers(running, "leak.png")

    # Else a later test is told of its socket.
    with caught.value as refused:
        assert refused.code == 403


@contextmanager
def slow_visitors(port: int, count: int) -> Iterator[list[socket.socket]]:
    """Open connections that begin a request each and never end it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 2 * count), hard))
    try:
        with ExitStack() as stack:
            opened = [stack.enter_context(socket.socket()) for _ in range(count)]
            for one in opened:
                one.settimeout(30)
                one.connect(("127.0.0.1", port))
                one.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-")
            yield opened
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_slow_visitors_keep_nobody_out(running: Site) -> None:
    """A page is served beside them, and they are not waited for long."""
    with slow_visitors(running.port, SLOW) as slow:
        began = time.monotonic()
        text = running.text()
        took = time.monotonic() - began

        assert text
        assert took < 5
        with suppress(ConnectionResetError):
            assert slow[0].recv(1) == b""
