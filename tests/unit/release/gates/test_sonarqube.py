"""Answers that no real SonarQube gives on purpose; tests/integration/release/test_sonarqube.py has the real one."""

from __future__ import annotations

import http.server
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.services.gates import make_context

from estiba.errors import GateError
from estiba.release.gates import sonarqube

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from estiba.release.gates.gate import Context

TOKEN = "squ_secret"


def make(folder: Path, url: str, *, token: str = TOKEN, commit: str = "c" * 40) -> Context:
    """Return what the gate looks at."""
    options = {"limit": 0, "project": "shop", "url": url}
    context = make_context(folder, gates={"sonarqube": options}, commit=commit)
    return replace(context, config=replace(context.config, variables={"SONAR_TOKEN": token} if token else {}))


@pytest.fixture
def answers() -> Iterator[tuple[str, list[tuple[int, bytes]]]]:
    """Serve the last of some answers to all requests; yields the address and the answers."""
    given: list[tuple[int, bytes]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = given.pop(0)
            self.send_response(status)
            self.send_header("Location", "http://127.0.0.1:9/login")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", given
        server.shutdown()


FOUND = b'{"analyses": [{"key": "AX", "revision": "%s"}]}' % (b"c" * 40)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        pytest.param([(302, b"")], r"/api/project_analyses/search answers 302", id="login page"),
        pytest.param([(500, b"")], r"/api/project_analyses/search answers 500", id="broken"),
        pytest.param([(403, b"")], r"refuses the token in SONAR_TOKEN \(403\)", id="forbidden"),
        pytest.param([(200, b"<html>")], r"cannot be asked", id="no JSON"),
        pytest.param([(200, b"[]")], r"something else than an object", id="list"),
        pytest.param([(200, b"{}")], r"answers without 'analyses'", id="other object"),
        pytest.param([(200, b'{"analyses": [{"key": "AX"}]}')], r"no analysis of commit", id="no revision"),
        pytest.param(
            [(200, FOUND), (200, b'{"projectStatus": {"status": "NONE", "conditions": []}}')], r"is NONE", id="no gate"
        ),
        pytest.param([(200, FOUND), (200, b'{"projectStatus": {}}')], r"answers without 'status'", id="no status"),
    ],
)
def test_anything_but_ok_is_refused(
    tmp_path: Path, answers: tuple[str, list[tuple[int, bytes]]], given: list[tuple[int, bytes]], message: str
) -> None:
    """No answer lets a release through by accident, and none shows the token."""
    url, queue = answers
    queue += given

    with pytest.raises(GateError, match=message) as caught:
        sonarqube.check(make(tmp_path, url))
    assert TOKEN not in str(caught.value)


def test_server_that_is_away_is_a_refusal(tmp_path: Path) -> None:
    """Unreachable is not passed."""
    with pytest.raises(GateError, match=r"http://127.0.0.1:9 cannot be asked"):
        sonarqube.check(make(tmp_path, "http://127.0.0.1:9"))


def test_missing_token_and_dirty_commit_are_refused(tmp_path: Path) -> None:
    """Nothing is asked by then."""
    with pytest.raises(GateError, match=r"SONAR_TOKEN has no token"):
        sonarqube.check(make(tmp_path, "http://127.0.0.1:9", token=""))
    with pytest.raises(GateError, match=r"of no commit that an analysis could name"):
        sonarqube.check(make(tmp_path, "http://127.0.0.1:9", commit="c" * 40 + "-dirty"))
