"""A Prometheus server on a loopback port, Debian's own, that scrapes an exporter of the test every second."""

from __future__ import annotations

import http.server
import json
import subprocess
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tests.services import debian, ports

from estiba.endpoint import Endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LIMIT: Final = 30.0


@dataclass(kw_only=True)
class Monitoring:
    """A running server.

    Attributes:
        port: Port of Prometheus.
        samples: What the exporter shows: value by series, such as `up{job="shop"}`.
    """

    port: int
    samples: dict[str, float] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The base URL of Prometheus."""
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def run(folder: Path) -> Iterator[Monitoring]:
    """Run both servers until the end of the block, with Prometheus's data in a folder."""
    found = Monitoring(port=ports.find_free())

    class Exporter(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = "".join(f"{series} {value}\n" for series, value in found.samples.items()).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Exporter) as exporter:
        thread = threading.Thread(target=exporter.serve_forever)
        thread.start()
        try:
            with _serve(folder, found.port, exporter.server_port):
                yield found
        finally:
            exporter.shutdown()
            thread.join()


@contextmanager
def _serve(folder: Path, port: int, exporter: int) -> Iterator[None]:
    job = {"job_name": "shop", "static_configs": [{"targets": [f"127.0.0.1:{exporter}"]}]}
    settings = folder / "prometheus.yml"
    # JSON is YAML.
    settings.write_text(
        json.dumps({"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": [job]})
    )
    program = debian.unpack("prometheus") / "usr/bin/prometheus"
    argv = [str(program), f"--config.file={settings}", f"--storage.tsdb.path={folder}/data"]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen([*argv, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
    with process:
        try:
            ports.wait_for(port, process)
            _wait_until_ready(port)
            yield
        finally:
            process.terminate()


def _wait_until_ready(port: int) -> None:
    """Wait until Prometheus answers queries: it listens before it has read its data."""
    endpoint, deadline = Endpoint(host="localhost", address="127.0.0.1", port=port), time.monotonic() + _LIMIT
    while endpoint.problem("/-/ready"):
        if time.monotonic() > deadline:
            message = "Prometheus does not become ready"
            raise RuntimeError(message)
        time.sleep(0.05)
