"""An ACME authority of one's own: Pebble and its name server, built once from Go modules."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.services import golang, ports

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.services.golang import Go

_SOURCES: Final = Path(__file__).with_name("pebble")
_PACKAGES: Final = {
    "pebble": "github.com/letsencrypt/pebble/v2/cmd/pebble",
    "names": "github.com/letsencrypt/pebble/v2/cmd/pebble-challtestsrv",
}


BLOCKED: Final = "blocked.example.test"
"""A name for which nobody gets a certificate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """An authority for whom all names are those of this machine.

    Attributes:
        directory: The URL of its directory.
        ca: The certificate that its own is checked against.
        http_port: The port at which it asks for challenges.
        management: The port of its own tasks.
        log: What it has said.
    """

    directory: str
    ca: Path
    http_port: int
    management: int
    log: Path

    def root(self) -> str:
        """Return the certificate of the root that issues, in PEM."""
        context = ssl.create_default_context(cafile=str(self.ca))
        with urllib.request.urlopen(f"https://localhost:{self.management}/roots/0", context=context) as answer:
            return str(answer.read().decode())


@contextmanager
def running(folder: Path, *, seconds: int, **variables: str) -> Iterator[Authority]:
    """Run the authority for the block.

    Args:
        folder: Folder for its files.
        seconds: How long its certificates are valid.
        variables: Pebble's environment variables.
    """
    programs = golang.cached(_SOURCES, _compile, notice="building Pebble, once")
    directory, management, names = (ports.find_free() for _ in range(3))
    made = Authority(
        directory=f"https://localhost:{directory}/dir",
        ca=programs / "ca.pem",
        http_port=ports.find_free(),
        management=management,
        log=folder / "pebble.log",
    )
    _configure(folder, made, programs, validity=seconds)
    address = f"127.0.0.1:{names}"
    nowhere = [word for name in ("http01", "https01", "tlsalpn01", "doh") for word in (f"-{name}", "")]
    server: list[str | Path] = [programs / "names", "-defaultIPv4", "127.0.0.1", "-defaultIPv6", "", *nowhere]
    server += ["-dnsserver", address, "-management", f"127.0.0.1:{ports.find_free()}"]
    pebble: list[str | Path] = [programs / "pebble", "-config", folder / "pebble.json", "-dnsserver", address]
    env = {**os.environ, "PEBBLE_VA_NOSLEEP": "1", **variables}
    with made.log.open("wb") as log:
        processes = [subprocess.Popen(argv, env=env, stdout=log, stderr=log) for argv in (server, pebble)]
        try:
            for port in (directory, management):
                ports.wait_for(port, processes[1])
            yield made
        finally:
            for process in processes:
                process.terminate()
                process.wait()


def _configure(folder: Path, made: Authority, programs: Path, *, validity: int) -> None:
    directory = made.directory.removeprefix("https://localhost:").removesuffix("/dir")
    settings = {
        "listenAddress": f"127.0.0.1:{directory}",
        "managementListenAddress": f"127.0.0.1:{made.management}",
        "certificate": str(programs / "cert.pem"),
        "privateKey": str(programs / "key.pem"),
        "httpPort": made.http_port,
        "tlsPort": ports.find_free(),
        "retryAfter": {"authz": 1, "order": 1},
        "domainBlocklist": [BLOCKED],
        "keyAlgorithm": "ecdsa",
        "profiles": {"default": {"description": "for tests", "validityPeriod": validity}},
    }
    (folder / "pebble.json").write_text(json.dumps({"pebble": settings}))


def _compile(go: Go, folder: Path) -> None:
    for name, package in _PACKAGES.items():
        go.run("build", "-o", str(folder / name), package)
    # The certificate that Pebble is to serve its directory with comes with it.
    test = Path(go.run("list", "-m", "-f", "{{.Dir}}", "github.com/letsencrypt/pebble/v2").strip(), "test/certs")
    for name, source in (
        ("ca.pem", "pebble.minica.pem"),
        ("cert.pem", "localhost/cert.pem"),
        ("key.pem", "localhost/key.pem"),
    ):
        (folder / name).write_bytes((test / source).read_bytes())
