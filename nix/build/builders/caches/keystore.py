"""Java's list of authorities, without which it trusts no server; `ca-certificates-java` has Java itself write it.

The format is JKS, as `sun.security.provider.JavaKeyStore` of OpenJDK reads and writes it.
"""

import base64
import hashlib
import re
import struct

import debian
from entries import MTIME, Entries, file

_STORE = "etc/ssl/certs/java/cacerts"
_LINK = re.compile(r"usr/lib/jvm/[^/]+/(jre/)?lib/security/cacerts")
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----\s+(.+?)-----END CERTIFICATE-----", re.DOTALL)
_MAGIC, _VERSION, _TRUSTED = 0xFEEDFEED, 2, 2
_PASSWORD = "changeit"  # noqa: S105 - everybody's: it protects nothing, and programs expect it
_SALT = b"Mighty Aphrodite"


def bundle(root: Entries) -> Entries:
    """Return the store of a root with a Java that looks for it, with the root's own authorities."""
    made = Entries()
    links = [entry.target for path, entry in root.items.items() if _LINK.fullmatch(path)]
    if f"/{_STORE}" in links and _STORE not in root.items and (names := debian.list_authorities(root)):
        made.add(_STORE, file(write({name.rpartition("/")[2]: root.items[name].read() for name in names})))
    return made


def write(certificates: dict[str, bytes]) -> bytes:
    """Return a store of certificates in PEM, which have names as Debian gives them."""
    found = {f"debian:{name.removesuffix('.crt')}.pem".lower(): text for name, text in sorted(certificates.items())}
    entries = b"".join(
        struct.pack(">I", _TRUSTED)
        + _spell(alias)
        + struct.pack(">Q", MTIME * 1000)
        + _spell("X.509")
        + struct.pack(">I", len(content))
        + content
        for alias, text in found.items()
        for content in [_decode(text)]
    )
    data = struct.pack(">III", _MAGIC, _VERSION, len(found)) + entries
    return data + hashlib.sha1(_PASSWORD.encode("utf-16-be") + _SALT + data, usedforsecurity=False).digest()


def _decode(text: bytes) -> bytes:
    found = _PEM.search(text)
    if not found:
        msg = "a certificate that is not in PEM"
        raise ValueError(msg)
    return base64.b64decode(found[1])


def _spell(text: str) -> bytes:
    data = text.encode()
    return struct.pack(">H", len(data)) + data
