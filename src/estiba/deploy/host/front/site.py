"""A service behind the front: nginx's servers for its hosts, and the file by which the front knows it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from estiba.deploy.host.front.programs import CERTIFICATES, CHALLENGES
from estiba.deploy.host.servers import ports
from estiba.digest import Digest

if TYPE_CHECKING:
    from pathlib import Path

    from estiba.deploy.host.front.programs import FrontPrograms
    from estiba.deploy.host.front.tls import Tls

_RESERVE: Final = 5
"""Seconds that a service's own nginx has to say that the service takes too long."""

_HTTP2: Final = (1, 25, 1)
"""Version of nginx since which `http2` is a directive of its own."""

_NUMBER: Final = re.compile(r"\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Service of a target behind the front.

    Attributes:
        service: Name of the service.
        folder: State folder of the target.
        port: TCP port of the target's own nginx on the loopback address.
        request_limit: Seconds that this one waits for the service.
        addresses: IP addresses that the front listens on for it.
        tls: Settings of TLS.
    """

    service: str
    folder: Path
    port: int
    request_limit: int
    addresses: tuple[str, ...]
    tls: Tls

    @property
    def key(self) -> str:
        """Name of the site's files, which no other target has."""
        return key_of(self.folder)

    @property
    def listen(self) -> list[tuple[str, int]]:
        """Pairs of IP address and port that the front listens on for it."""
        return [(address, port) for port in (self.tls.http_port, self.tls.https_port) for address in self.addresses]

    @property
    def address(self) -> str:
        """IP address at which this machine reaches the front."""
        return ports.reachable(self.addresses[0])

    def describe(self, programs: FrontPrograms, version: str) -> dict[str, Any]:
        """Return the content of its file in `sites/`; see nix/build/builders/release/certificates.py.

        Args:
            programs: Programs of the front.
            version: Version of the front's nginx.
        """
        tls = self.tls
        if tls.acme:
            source: dict[str, Any] = {"acme": programs.acme(self.key, tls.acme, tls.hosts)}
        else:
            source = {"certificate": {"certificate": str(tls.certificate), "key": str(tls.key)}}
        digest = Digest.of_bytes(repr((self, version)).encode()).hex
        return {
            **source,
            "address": self.address,
            "digest": digest,
            "folder": str(self.folder),
            "hosts": list(tls.hosts),
            "http_port": tls.http_port,
            "https_port": tls.https_port,
            "listen": [list(pair) for pair in self.listen],
            "ready": self._render(version, digest, is_ready=True),
            "service": self.service,
            "waiting": self._render(version, digest, is_ready=False),
        }

    def _render(self, version: str, digest: str, *, is_ready: bool) -> str:
        state = "ready" if is_ready else "waiting"
        redirect = f"return 308 {self.tls.origin('$host')}$request_uri" if is_ready else "return 503"
        plain = [
            *self._begin(self.tls.http_port),
            f'location = /.estiba {{ access_log off; return 200 "{self.key} {state} {digest}"; }}',
            # The ACME client could lead nginx to the keys that it may not read itself.
            f"location ^~ /.well-known/acme-challenge/ {{ root {CHALLENGES}; disable_symlinks on from={CHALLENGES}; }}",
            f"location / {{ {redirect}; }}",
        ]
        return "\n".join([*plain, "}", *(self._secure(version) if is_ready else ()), ""])

    def _secure(self, version: str) -> list[str]:
        tls, limit = self.tls, self.request_limit + _RESERVE
        has_directive = tuple(int(one) for one in _NUMBER.findall(version)[:3]) >= _HTTP2
        proxies = [f"set_real_ip_from {network};" for network in tls.trusted_proxies]
        if proxies:
            proxies += ["real_ip_header X-Forwarded-For;", "real_ip_recursive on;"]
        return [
            f"upstream {self.key} {{",
            f"server 127.0.0.1:{self.port};",
            "keepalive 64;",
            "}",
            *self._begin(tls.https_port, " ssl" if has_directive else " ssl http2"),
            *(["http2 on;"] if has_directive else []),
            f"ssl_certificate {CERTIFICATES}/{self.key}.pem;",
            f"ssl_certificate_key {CERTIFICATES}/{self.key}.pem;",
            *proxies,
            f"proxy_read_timeout {limit}s;",
            f"proxy_send_timeout {limit}s;",
            "add_header Strict-Transport-Security $strict_transport_security always;",
            f"location / {{ proxy_pass http://{self.key}; }}",
            "}",
        ]

    def _begin(self, port: int, options: str = "") -> list[str]:
        listen = [f"listen {quote(address)}:{port}{options};" for address in self.addresses]
        return ["server {", *listen, f"server_name {' '.join(self.tls.hosts)};"]


def key_of(folder: Path) -> str:
    """Return the name of the files of a target's site."""
    return f"site-{Digest.of_bytes(str(folder).encode()).hex[:12]}"


def quote(address: str) -> str:
    """Return an IP address as nginx writes it before a port."""
    return f"[{address}]" if ":" in address else address
