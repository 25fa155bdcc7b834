"""HTTP requests to a service on this machine: through a Unix socket, or an IP address and a port."""

from __future__ import annotations

import http.client
import os
import socket
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from estiba import limits

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TIMEOUT: Final = 10.0
"""Default timeout in seconds."""

REFUSAL: Final = 400
"""Lowest HTTP status of an error (RFC 9110, 15.5); Django answers 400 to a host name not in ALLOWED_HOSTS."""

_LARGEST: Final = 64 * 2**20
"""Largest page in bytes; a smoke test that names a longer file, or one without end, is an error."""

_OK: Final = 200
_REDIRECTION: Final = 300
_REDIRECTS: Final = 5
"""Requests of one page and of those that it leads to, after which a browser with cookies may be somewhere else."""
_FAILURE: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """HTTP response: status, body, and where it redirects to."""

    status: int
    body: bytes
    location: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """HTTP endpoint of a service.

    Attributes:
        host: Value of the `Host` header.
        socket: Unix socket, or None to use `address` and `port`.
        address: IP address; by default that of `localhost`.
        port: TCP port; by default 80.
        timeout: Timeout in seconds, of the connection and of each read.
        is_behind_tls: Whether to ask as a proxy that has ended TLS, which the service trusts.
    """

    host: str
    socket: Path | None = None
    address: str = ""
    port: int = 0
    timeout: float = TIMEOUT
    is_behind_tls: bool = False

    def ask(self, path: str, connection: http.client.HTTPConnection | None = None) -> Answer:
        """Send a GET request and return the response, without following redirects or using a proxy.

        Args:
            path: Path to request.
            connection: Connection of `connect` to reuse; by default a new one for this request.

        Raises:
            OSError: The connection failed or timed out, or the page is too large or comes too slowly.
            http.client.HTTPException: The response is not valid HTTP.
        """
        if connection is None:
            with self.connect() as own:
                return self._ask(own, path, {"Connection": "close"})
        return self._ask(connection, path, {})

    def get(self, path: str) -> int:
        """Return the HTTP status of a path, 0 without a response."""
        try:
            return self.ask(path).status
        except (OSError, http.client.HTTPException):
            return 0

    def is_ready(self, path: str) -> bool:
        """Tell whether the service is ready: it answers with any status from 200 to 499 but 400.

        A service without a readiness page answers 404, or redirects to its login page, and is ready. Status 400 is
        Django's refusal of the host name, which a load balancer would get for every page.
        """
        return _OK <= (status := self.get(path)) < _FAILURE and status != REFUSAL

    def has(self, path: str) -> bool:
        """Tell whether a page exists: redirects and client errors mean no; server errors and no response mean yes."""
        return not _REDIRECTION <= self.get(path) < _FAILURE

    def problem(self, path: str) -> str:
        """Return why a page cannot be served, or an empty string.

        A redirect to the same page by HTTPS is a problem: whoever follows it comes here again, where TLS has ended. So
        is one to a page of the service that fails, as that of a login may.
        """
        place, shown, limit = path, path, REFUSAL
        for _ in range(_REDIRECTS):
            try:
                answer = self.ask(place)
            except (OSError, http.client.HTTPException):
                return f"{shown} does not answer"
            if answer.location.partition("?")[0] == f"https://{self.host}{place.partition('?')[0]}":
                return f"{shown} redirects to itself by HTTPS for ever"
            if answer.status >= limit:
                return f"{shown} answers {answer.status}"
            place, limit = answer.location.partition("#")[0], _FAILURE
            if not place.startswith("/") or place.startswith("//"):
                break
            shown = f"{path} leads to {place}, which"
        return ""

    @contextmanager
    def connect(self) -> Iterator[http.client.HTTPConnection]:
        """Open a connection for the block; `http.client` reconnects when the server has closed it in between."""
        # Not urllib: it would use the proxy of the environment, which cannot reach this machine's loopback address.
        connection = http.client.HTTPConnection(self.address or "localhost", self.port or None, timeout=self.timeout)
        if self.socket:
            connection.sock = dial(self.socket, self.timeout)
        try:
            yield connection
        finally:
            connection.close()

    def _ask(self, connection: http.client.HTTPConnection, path: str, headers: dict[str, str]) -> Answer:
        tls = {"X-Forwarded-Proto": "https"} if self.is_behind_tls else {}
        connection.request("GET", path, headers={"Host": self.host, "User-Agent": "estiba", **tls, **headers})
        response = connection.getresponse()
        location = response.headers.get("Location", "") if _REDIRECTION <= response.status < REFUSAL else ""
        body = limits.read(response.read1, _LARGEST)
        # `read1` leaves a response of known length open, and the connection with it busy.
        response.close()
        return Answer(status=response.status, body=body, location=location)


def dial(path: Path, timeout: float = TIMEOUT) -> socket.socket:
    """Connect to a Unix socket, whatever the length of its path.

    Args:
        path: Socket file.
        timeout: Timeout in seconds.

    Raises:
        OSError: The connection failed.
    """
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(timeout)
    # A socket address holds 107 bytes (unix(7)); a path through the open folder always fits.
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        connection.connect(f"/proc/self/fd/{folder}/{path.name}")
    except OSError:
        connection.close()
        raise
    finally:
        os.close(folder)
    return connection
