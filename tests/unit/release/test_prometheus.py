"""Answers of a server that are no number, against a real HTTP server."""

from __future__ import annotations

import http.server
import json
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from estiba.errors import TargetError
from estiba.release.prometheus import Prometheus

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = datetime(2026, 3, 4, 5, 0, tzinfo=UTC)


@contextmanager
def serve(answer: object) -> Iterator[Prometheus]:
    """Run a server that always gives one answer."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield Prometheus(url=f"http://127.0.0.1:{server.server_port}")
        finally:
            server.shutdown()
            thread.join()


def ask(answer: object) -> float:
    """Count by a server with this answer."""
    with serve(answer) as server:
        return server.count("up[{window}]", since=NOW - timedelta(minutes=5), until=NOW)


def vector(*values: object) -> object:
    """Return the answer to a query that gives these values."""
    result = [{"metric": {}, "value": [1772600400, value]} for value in values]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


def data(kind: str, result: object) -> object:
    """Return an answer of another type."""
    return {"status": "success", "data": {"resultType": kind, "result": result}}


def test_one_number_is_the_answer() -> None:
    """Prometheus sends numbers as text, in a vector or alone."""
    assert ask(vector("12.5")) == 12.5
    assert ask(data("scalar", [1772600400, "3"])) == 3


@pytest.mark.parametrize("answer", [vector(), vector("NaN"), vector("+Inf"), vector("-Inf")])
def test_what_is_no_number_is_no_data(answer: object) -> None:
    """A division by zero, or a metric that nobody has."""
    with pytest.raises(TargetError, match="has no data"):
        ask(answer)


@pytest.mark.parametrize(
    "answer",
    [
        data("string", [1772600400, "12"]),
        data("matrix", [{"metric": {}, "values": [[1772600400, "1"]]}]),
        data("vector", [{"metric": {}, "histogram": [1772600400, {"count": "4"}]}]),
        vector("many"),
        vector(None),
        {"status": "success", "data": None},
        {"status": "success"},
    ],
)
def test_something_else_than_a_number_is_refused(answer: object) -> None:
    """The watch goes on with what the target says, and notes it."""
    with pytest.raises(TargetError, match="with something else than a number"):
        ask(answer)


@pytest.mark.parametrize("answer", [[], "success", None])
def test_answer_that_is_no_object_is_refused(answer: object) -> None:
    """Another server stands there."""
    with pytest.raises(TargetError, match="it answers no object"):
        ask(answer)
