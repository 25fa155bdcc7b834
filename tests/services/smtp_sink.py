"""An SMTP server on a loopback port that keeps what it gets: Debian's aiosmtpd, with STARTTLS and a login."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.services import debian, openssl, ports

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

USER = "estiba"
PASSWORD = "low-tide-at-nine"

_PROGRAM = """
import asyncio, json, ssl, sys
from aiosmtpd.smtp import SMTP, AuthResult

port, certificate, key, log = int(sys.argv[1]), *sys.argv[2:]

class Handler:
    async def handle_DATA(self, server, session, envelope):
        said = {"to": envelope.rcpt_tos, "text": envelope.content.decode(), "tls": bool(session.ssl),
                "login": bool(session.authenticated)}
        with open(log, "a") as file:
            file.write(json.dumps(said) + "\\n")
        return "250 kept"

def check(server, session, envelope, mechanism, data):
    passed = (data.login, data.password) == (b"estiba", b"low-tide-at-nine")
    return AuthResult(success=passed, handled=False)

async def main():
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    make = lambda: SMTP(Handler(), tls_context=context, authenticator=check, hostname="localhost")
    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", port)
    await server.serve_forever()

asyncio.run(main())
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sink:
    """A running server.

    Attributes:
        port: Its port.
        certificate: Its certificate, signed by itself.
        log: File with a JSON object for each mail.
    """

    port: int
    certificate: Path
    log: Path

    def mails(self) -> list[dict[str, Any]]:
        """Return the mails so far."""
        return [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.exists() else []


@contextmanager
def run(folder: Path) -> Iterator[Sink]:
    """Run the server until the end of the block, with its files in a folder."""
    tree = debian.unpack("python3-aiosmtpd")
    certificate, key = openssl.self_signed(folder)
    sink = Sink(port=ports.find_free(), certificate=certificate, log=folder / "mails.jsonl")
    argv = [sys.executable, "-c", _PROGRAM, str(sink.port), str(certificate), str(key), str(sink.log)]
    found = {"PYTHONPATH": str(tree / "usr/lib/python3/dist-packages")}
    with subprocess.Popen(argv, env=found, stderr=subprocess.DEVNULL) as process:
        try:
            ports.wait_for(sink.port, process)
            yield sink
        finally:
            process.terminate()
