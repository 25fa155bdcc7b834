"""pip-audit, and a source of advisories on a loopback port that answers OSV's query."""

from __future__ import annotations

import contextlib
import http.server
import json
import shutil
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any, Final

from estiba import config, files
from estiba.digest import Digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_PIP_AUDIT: Final = "pip-audit==2.10.1"


def install() -> Path:
    """Return the folder with the program pip-audit, installed by pip and kept in the user's cache.

    It is of one interpreter: the cache may outlive the store that this one is in.
    """
    python = Digest.of_bytes(sys.executable.encode()).hex[:16]
    folder = config.load().cache_dir / "tests" / f"{_PIP_AUDIT.replace('==', '-')}-{python}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with files.lock(folder.with_suffix(".lock"), wait=True):
        if not folder.exists():
            scratch = folder.with_suffix(".part")
            shutil.rmtree(scratch, ignore_errors=True)
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            subprocess.run([*pip, "--target", str(scratch / "lib"), _PIP_AUDIT], check=True)
            script = scratch / "pip-audit"
            code = f"import sys; sys.path.insert(0, {str(folder / 'lib')!r}); from pip_audit._cli import audit; audit()"
            script.write_text(f"#!{sys.executable}\n{code}\n")
            script.chmod(0o755)
            scratch.rename(folder)
    return folder


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
