"""Certificates made by Debian's OpenSSL."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from tests.services import debian

if TYPE_CHECKING:
    from pathlib import Path


def self_signed(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for localhost, signed by itself, in a folder; return its file and that of its key."""
    tree = debian.unpack("openssl")
    certificate, key, settings = (folder / name for name in ("cert.pem", "key.pem", "openssl.cnf"))
    settings.write_text("[req]\ndistinguished_name = dn\n[dn]\n")
    making = [*debian.words(tree, "openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]
    making += ["-addext", "subjectAltName=DNS:localhost", "-config", str(settings)]
    making += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(making, check=True, capture_output=True)
    return certificate, key
