"""pip-audit, and a source of advisories on a loopback port that answers OSV's query."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
from typing import TYPE_CHECKING, Any, Final

from tests.services import distributions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_PIP_AUDIT: Final = "pip-audit==2.10.1"


def install() -> Path:
    """Return a folder for Python's path with pip-audit, whose program is in its `bin`."""
    return distributions.install(_PIP_AUDIT)


@contextlib.contextmanager
def serve(known: Mapping[str, str]) -> Iterator[str]:
    """Serve an advisory for each distribution in `known`, a name and the version that mends it; yields the URL."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            body = json.dumps(_answer(asked["package"]["name"], known)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1/query"
        finally:
            server.shutdown()


def _answer(name: str, known: Mapping[str, str]) -> dict[str, Any]:
    """Return an advisory in OSV's schema (ossf.github.io/osv-schema), or an empty object."""
    if name not in known:
        return {}
    events = [{"introduced": "0"}, {"fixed": known[name]}]
    affected = [{"package": {"ecosystem": "PyPI", "name": name}, "ranges": [{"events": events, "type": "ECOSYSTEM"}]}]
    return {"vulns": [{"affected": affected, "id": f"TEST-{name}", "schema_version": "1.6.0", "summary": "a hole"}]}
