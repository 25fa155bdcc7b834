"""What the chart's smoke test makes of the pages that it asks for."""

from __future__ import annotations

import http.server
import subprocess
import sys
import threading
import time

import pytest
from tests.services import ports

from estiba.publish import chart

SCRIPT = (chart.own() / "files" / "smoke.py").read_text()


class Pages(http.server.BaseHTTPRequestHandler):
    """Answers `/` with 200, `/login` with 302, `/host` by the host's name, and else with 500.

    `/secure` and `/loop` redirect to themselves by HTTPS, `/secure` until it is told that this is so.
    """

    def do_GET(self) -> None:
        """Answer."""
        known = {"/": 200, "/login": 302, "/host": 200 if self.headers["Host"] == "shop.example" else 400}
        is_told = self.headers["X-Forwarded-Proto"] == "https"
        if self.path == "/loop" or (self.path == "/secure" and not is_told):
            self.send_response(301)
            self.send_header("Location", f"https://shop.example{self.path}")
        else:
            self.send_response(200 if self.path == "/secure" else known.get(self.path, 500))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize(
    ("paths", "code"), [(["/", "/login", "/host", "/secure"], 0), (["/", "/broken"], 1), (["/loop"], 1)]
)
def test_smoke_test_tells_pages_that_fail(paths: list[str], code: int) -> None:
    """A redirection is an answer, an error is none, and each page stands in the log."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        threading.Thread(target=server.serve_forever).start()
        address = f"http://127.0.0.1:{server.server_port}"
        argv = [sys.executable, "-c", SCRIPT, address, "shop.example", *paths]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        server.shutdown()

    assert done.returncode == code, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == paths


def test_smoke_test_waits_for_who_answers_a_moment_later() -> None:
    """The nodes of a cluster need a moment to learn which pods serve."""
    port = ports.find_free()
    argv = [sys.executable, "-c", SCRIPT, f"http://127.0.0.1:{port}", "", "/"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as asking:
        time.sleep(1)
        assert asking.poll() is None
        with http.server.ThreadingHTTPServer(("127.0.0.1", port), Pages) as server:
            threading.Thread(target=server.serve_forever).start()
            said, _ = asking.communicate()
            server.shutdown()

    assert (asking.returncode, said) == (0, "/ 200\n")
