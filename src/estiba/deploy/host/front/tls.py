"""TLS of a `host` target: `tls`, `acme`, `http-port` and `https-port` in `[tool.estiba.targets.NAME]`."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from estiba.errors import describe_unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

ACME: Final = "acme"
_HTTP, _HTTPS = 80, 443
PORTS: Final = {"http-port": _HTTP, "https-port": _HTTPS}
"""Settings that are TCP ports of the front, with their defaults."""

_FILES: Final = ("certificate", "key")
_ACME_KEYS: Final = ("ca", "directory", "email")
_WANTED: Final = "'acme', false, or a table {certificate = 'FILE', key = 'FILE'}"
_HOST: Final = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
"""Name of a host (RFC 1123, 2.1), in lower case."""

_EMAIL: Final = re.compile(r"[^\s@<>,;:\"'-][^\s@<>,;:\"']*@[^\s@<>,;:\"']+")
_URL: Final = re.compile(r"https://[^\s/@]+(/\S*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Acme:
    """Settings of the ACME client.

    Attributes:
        email: Address that the authority writes to.
        directory: URL of the authority's directory; empty for that of Let's Encrypt.
        ca: Certificates that the authority's own is checked against, or None for those of Debian.
    """

    email: str
    directory: str = ""
    ca: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """TLS of a target.

    Attributes:
        hosts: Names of hosts that the service answers to.
        address: IP address that the front listens on; empty for all of the machine.
        http_port: TCP port for ACME and for redirects to HTTPS.
        https_port: TCP port for HTTPS.
        trusted_proxies: IP addresses and networks of proxies before the front.
        certificate: File with the certificate and those of its authorities (PEM), or None where ACME issues it.
        key: File with the certificate's private key (PEM), or None.
        acme: Settings of the ACME client, or None where there are files.
    """

    hosts: tuple[str, ...]
    address: str = ""
    http_port: int = _HTTP
    https_port: int = _HTTPS
    trusted_proxies: tuple[str, ...] = ()
    certificate: Path | None = None
    key: Path | None = None
    acme: Acme | None = None

    def origin(self, host: str) -> str:
        """Return scheme, host and port of a host's pages."""
        return f"https://{host}" if self.https_port == _HTTPS else f"https://{host}:{self.https_port}"


def parse(table: Mapping[str, Any], folder: Path) -> Tls | None:
    """Parse what `check` has found no problem in; None without TLS.

    Args:
        table: Table of the target.
        folder: Folder of the service, which relative paths start from.
    """
    kind = table.get("tls", False)
    if not kind:
        return None

    def find(text: str) -> Path:
        return (folder / Path(text).expanduser()).resolve()

    acme = table.get("acme", {})
    return Tls(
        hosts=tuple(table["hosts"]),
        address=table.get("address", ""),
        http_port=table.get("http-port", _HTTP),
        https_port=table.get("https-port", _HTTPS),
        trusted_proxies=tuple(table.get("trusted-proxies", ())),
        **({name: find(kind[name]) for name in _FILES} if kind != ACME else {}),
        acme=Acme(
            email=acme["email"],
            directory=acme.get("directory", ""),
            ca=find(acme["ca"]) if "ca" in acme else None,
        )
        if kind == ACME
        else None,
    )


def check(table: Mapping[str, Any]) -> list[str]:
    """Return problems of the keys of TLS, given a table whose other keys have none."""
    kind, acme = table.get("tls", False), table.get("acme")
    if not kind:
        others = [key for key in ("acme", *PORTS) if key in table]
        return [f"{key!r} is set, but 'tls' is not" for key in others] + check_kind(kind)
    problems = check_kind(kind)
    if "hosts" not in table:
        problems.append("'hosts' must be set with 'tls', for they are the names in the certificate")
    problems += [problem for host in table.get("hosts", ()) for problem in _check_host(host)]
    if "address" in table and not _is_address(table["address"]):
        problems.append(f"'address' is {table['address']!r}, not an IP address")
    if kind == ACME:
        return problems + _check_acme(acme or {})
    return problems + (["'acme' is set, but 'tls' is not 'acme'"] if acme is not None else [])


def check_kind(kind: object) -> list[str]:
    """Return problems of the value of `tls` alone."""
    if kind is False or kind == ACME:
        return []
    if isinstance(kind, dict) and set(kind) == set(_FILES) and all(isinstance(one, str) for one in kind.values()):
        return []
    return [f"'tls' must be {_WANTED}, not {kind!r}"]


def _check_host(host: str) -> list[str]:
    # Who asks for an address does not say it in the handshake (RFC 6066, 3), so there is no telling whose it is.
    if _HOST.fullmatch(host) and not _is_address(host):
        return []
    wanted = "a name in lower case, such as 'www.example.org'"
    return [f"'hosts' has {host!r}, which with 'tls' must be {wanted}"]


def _check_acme(acme: Mapping[str, Any]) -> list[str]:
    problems = [f"'acme': {describe_unknown(key, _ACME_KEYS)}" for key in acme if key not in _ACME_KEYS]
    if not _EMAIL.fullmatch(acme.get("email", "")):
        said = f", not {acme['email']!r}" if "email" in acme else ""
        problems.append(f"'acme.email' must be an address that the authority may write to{said}")
    if "directory" in acme and not _URL.fullmatch(acme["directory"]):
        problems.append(f"'acme.directory' is {acme['directory']!r}, not a URL with https")
    return problems


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    # nginx knows no zones of IPv6.
    return "%" not in text
