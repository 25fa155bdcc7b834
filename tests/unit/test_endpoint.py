from __future__ import annotations

import http.server
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from estiba.endpoint import Endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator


class Answers(http.server.BaseHTTPRequestHandler):
    """Answers with the status that the path names."""

    def do_GET(self) -> None:
        """Answer; a number with `s` is a redirect to the same page by HTTPS unless the request came like that.

        What follows `/to` is where another redirect leads.
        """
        is_same = self.path.endswith("s") and self.headers["X-Forwarded-Proto"] != "https"
        status, _, target = self.path.strip("/s").partition("/to")
        self.send_response(301 if is_same else int(status))
        if target:
            self.send_header("Location", target)
        if is_same:
            self.send_header("Location", f"https://{self.headers['Host']}{self.path}")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the library's
        """Keep quiet."""


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    """Serve on a free port."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever).start()
        yield Endpoint(host="localhost", address="127.0.0.1", port=server.server_port)
        server.shutdown()


@pytest.mark.parametrize(
    ("status", "is_ready"),
    [(200, True), (301, True), (302, True), (403, True), (404, True), (400, False), (500, False), (503, False)],
)
def test_any_answer_of_a_page_is_ready(endpoint: Endpoint, status: int, *, is_ready: bool) -> None:
    """A service without such a page may say so or redirect; a failure, or a refusal of the host, is not ready."""
    assert endpoint.is_ready(f"/{status}") is is_ready


@pytest.mark.parametrize(
    ("status", "has"), [(200, True), (302, False), (400, False), (403, False), (404, False), (500, True), (503, True)]
)
def test_page_is_there_unless_the_service_says_otherwise(endpoint: Endpoint, status: int, *, has: bool) -> None:
    """A page that says that something is wrong is one; what is not found, refused or leads elsewhere is none."""
    assert endpoint.has(f"/{status}") is has


def test_page_that_cannot_be_asked_may_be_there() -> None:
    """Where nothing answers, the address that is configured is not doubted."""
    assert Endpoint(host="localhost", address="127.0.0.1", port=1).has("/readyz")


def test_problem_is_what_is_answered(endpoint: Endpoint) -> None:
    """What answers with less than 400 is no problem, all else is named."""
    assert (endpoint.problem("/302"), endpoint.problem("/500")) == ("", "/500 answers 500")


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("/302/to/500", "/302/to/500 leads to /500, which answers 500"),
        ("/302/to/301/to/503", "/302/to/301/to/503 leads to /503, which answers 503"),
        ("/302/to/403#top", ""),
        ("/302/to//elsewhere/500", ""),
        ("/302/tohttps://elsewhere/500", ""),
    ],
)
def test_redirect_to_a_page_that_fails_is_no_success(endpoint: Endpoint, path: str, problem: str) -> None:
    """A login may fail where the page that asks for it does not; what is forbidden, or elsewhere, is not judged."""
    assert endpoint.problem(path) == problem


def test_redirects_in_a_circle_end(endpoint: Endpoint) -> None:
    """A browser would come with a cookie."""
    assert endpoint.problem("/302" + "/to/302" * 9) == ""


def test_redirect_to_itself_is_no_success(endpoint: Endpoint) -> None:
    """Whoever follows it comes back here; where a proxy has ended TLS, the page answers."""
    assert endpoint.problem("/200s") == "/200s redirects to itself by HTTPS for ever"
    assert replace(endpoint, is_behind_tls=True).problem("/200s") == ""
