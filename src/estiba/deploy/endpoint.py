"""Asking a service over HTTP, through its socket or its port, whether it works."""

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

_OK: Final = 200
_REDIRECTION: Final = 300
_REFUSAL: Final = 400
_FAILURE: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a service is asked: a socket file, or an address and a port; and the host name to ask for."""

    host: str
    socket: Path | None = None
    address: str = ""
    port: int = 0

    def get(self, path: str) -> int:
        """Return the status of an answer, 0 where there is none."""
        try:
            with self._connect() as connection:
                headers = {"Host": self.host, "Connection": "close", "User-Agent": "estiba"}
                connection.request("GET", path, headers=headers)
                return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0

    def is_ready(self, path: str) -> bool:
        """Tell whether the service says that it is ready.

        One that has no such page is ready when it answers, also with a redirection, such as to where users log in.
        A refusal of the host's name is no answer of a page.
        """
        return _OK <= (status := self.get(path)) < _FAILURE and status != _REFUSAL

    def has(self, path: str) -> bool:
        """Tell whether there is such a page: one that fails or cannot be asked is, a redirection leads elsewhere."""
        return not _REDIRECTION <= self.get(path) < _FAILURE

    def problem(self, path: str) -> str:
        """Return what is wrong with a page, or an empty string."""
        status = self.get(path)
        if 0 < status < _REFUSAL:
            return ""
        return f"{path} answers {status}" if status else f"{path} does not answer"

    @contextmanager
    def _connect(self) -> Iterator[http.client.HTTPConnection]:
        connection = http.client.HTTPConnection(self.address or "localhost", self.port or None, timeout=TIMEOUT)
        if self.socket:
            connection.sock = dial(self.socket)
        try:
            yield connection
        finally:
            connection.close()


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
