"""An ACME authority of one's own: Debian's Pebble and its name server."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.services import debian, openssl, ports

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SUITE: Final = "trixie"
"""The first release of Debian that has it."""

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
    programs = debian.unpack("pebble", suite=_SUITE) / "usr/bin"
    certificate, key = openssl.self_signed(folder)
    directory, management, names = (ports.find_free() for _ in range(3))
    made = Authority(
        directory=f"https://localhost:{directory}/dir",
        ca=certificate,
        http_port=ports.find_free(),
        management=management,
        log=folder / "pebble.log",
    )
    _configure(folder, made, key, validity=seconds)
    address = f"127.0.0.1:{names}"
    nowhere = [word for name in ("http01", "https01", "tlsalpn01", "doh") for word in (f"-{name}", "")]
    server: list[str | Path] = [programs / "pebble-challtestsrv", *nowhere, "-defaultIPv4", "127.0.0.1"]
    server += ["-defaultIPv6", "", "-dns01", address, "-management", f"127.0.0.1:{ports.find_free()}"]
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


def _configure(folder: Path, made: Authority, key: Path, *, validity: int) -> None:
    directory = made.directory.removeprefix("https://localhost:").removesuffix("/dir")
    settings = {
        "listenAddress": f"127.0.0.1:{directory}",
        "managementListenAddress": f"127.0.0.1:{made.management}",
        "certificate": str(made.ca),
        "privateKey": str(key),
        "httpPort": made.http_port,
        "tlsPort": ports.find_free(),
        "retryAfter": {"authz": 1, "order": 1},
        "domainBlocklist": [BLOCKED],
        "certificateValidityPeriod": validity,
    }
    (folder / "pebble.json").write_text(json.dumps({"pebble": settings}))
