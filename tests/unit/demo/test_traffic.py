from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from estiba.demo import traffic
from estiba.errors import DeployError

if TYPE_CHECKING:
    from collections.abc import Iterator


class Handler(BaseHTTPRequestHandler):
    """Answers with the status that the path names; drops the connection where it names none."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer."""
        if not self.path[1:].isdigit():
            self.close_connection = True
            return
        self.send_response(int(self.path[1:]))
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving() -> Iterator[int]:
    """Run a server and yield its port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("path", "answers", "has_failed"),
    [
        ("/200", {"200"}, False),
        ("/302", {"302"}, False),
        ("/502", {"502"}, True),
        ("/drop", {"RemoteDisconnected"}, True),
    ],
)
def test_every_answer_is_counted(path: str, answers: set[str], has_failed: bool) -> None:  # noqa: FBT001 - expected value
    """Refusals and lost connections are failures, and all requests are counted."""
    with serving() as port, traffic.running(port, path, rate=200) as seen:
        time.sleep(0.2)

    assert set(seen.answers) == answers
    assert bool(seen.failed) is has_failed
    assert seen.count >= 5


def test_nobody_at_home_is_a_failure() -> None:
    """A refused connection counts too."""
    with serving() as port:
        pass
    with traffic.running(port, rate=200) as seen:
        time.sleep(0.1)

    assert set(seen.failed) == {"ConnectionRefusedError"}


def test_visit_returns_the_page() -> None:
    """A page is text."""
    with serving() as port:
        assert traffic.fetch_page(port, "/200") == "hello"


@pytest.mark.parametrize(("path", "message"), [("/503", "/503 answers 503"), ("/drop", "/drop does not answer")])
def test_visit_refuses_less_than_a_page(path: str, message: str) -> None:
    """What is no page is an error that says why."""
    with serving() as port, pytest.raises(DeployError, match=message):
        traffic.fetch_page(port, path)
