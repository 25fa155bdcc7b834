"""Where a service on this machine is asked over HTTP: through a socket file, or an address and a port."""

from __future__ import annotations

import http.client
import os
import socket
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TIMEOUT: Final = 10.0
"""Seconds for an answer."""

REFUSAL: Final = 400
"""The first HTTP status that is no success."""

_OK: Final = 200
_REDIRECTION: Final = 300
_FAILURE: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer: the HTTP status and the body."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a service is asked.

    Attributes:
        host: Host name to ask for.
        socket: Socket file, or None for an address and a port.
        address: IP address.
        port: TCP port.
        timeout: Seconds for an answer.
    """

    host: str
    socket: Path | None = None
    address: str = ""
    port: int = 0
    timeout: float = TIMEOUT

    def ask(self, path: str, connection: http.client.HTTPConnection | None = None) -> Answer:
        """Return the answer to a GET request; no redirection is followed, and no proxy is used.

        Args:
            path: Path of the page.
            connection: An open connection of `connect`, kept for more requests; by default one for this request.

        Raises:
            OSError: Nobody listens, or no answer came in time.
            http.client.HTTPException: What came is no HTTP.
        """
        if connection is None:
            with self.connect() as own:
                return self._ask(own, path, {"Connection": "close"})
        return self._ask(connection, path, {})

    def get(self, path: str) -> int:
        """Return the status of an answer, 0 where there is none."""
        try:
            return self.ask(path).status
        except (OSError, http.client.HTTPException):
            return 0

    def is_ready(self, path: str) -> bool:
        """Tell whether the service says that it is ready.

        One that has no such page is ready when it answers, also with a redirection, such as to where users log in.
        A refusal of the host's name is no answer of a page.
        """
        return _OK <= (status := self.get(path)) < _FAILURE and status != REFUSAL

    def has(self, path: str) -> bool:
        """Tell whether there is such a page: one that fails or cannot be asked is, a redirection leads elsewhere."""
        return not _REDIRECTION <= self.get(path) < _FAILURE

    def problem(self, path: str) -> str:
        """Return what is wrong with a page, or an empty string."""
        status = self.get(path)
        if 0 < status < REFUSAL:
            return ""
        return f"{path} answers {status}" if status else f"{path} does not answer"

    @contextmanager
    def connect(self) -> Iterator[http.client.HTTPConnection]:
        """Open a connection, which is closed when the block ends and opens itself again in between."""
        # Not through urllib: a proxy of the environment has no way to this machine's loopback address.
        connection = http.client.HTTPConnection(self.address or "localhost", self.port or None, timeout=self.timeout)
        if self.socket:
            connection.sock = dial(self.socket, self.timeout)
        try:
            yield connection
        finally:
            connection.close()

    def _ask(self, connection: http.client.HTTPConnection, path: str, headers: dict[str, str]) -> Answer:
        connection.request("GET", path, headers={"Host": self.host, "User-Agent": "estiba", **headers})
        response = connection.getresponse()
        return Answer(status=response.status, body=response.read())


def dial(path: Path, timeout: float = TIMEOUT) -> socket.socket:
    """Connect to a socket file, also where its path is longer than the kernel takes.

    Raises:
        OSError: Nobody listens.
    """
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(timeout)
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        connection.connect(f"/proc/self/fd/{folder}/{path.name}")
    except OSError:
        connection.close()
        raise
    finally:
        os.close(folder)
    return connection
