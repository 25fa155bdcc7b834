"""One message over a WebSocket and its answer (RFC 6455), on this machine."""

from __future__ import annotations

import base64
import os
import socket

_TEXT = 0x81
_MASKED = 0x80
_MASK = b"\0\0\0\0"


def ask(port: int, path: str, message: str) -> str:
    """Send a short text to an address of the loopback interface and return the first one that comes back."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection, connection.makefile("rb") as answer:
        key = base64.b64encode(os.urandom(16)).decode()
        lines = (
            f"GET {path} HTTP/1.1",
            f"Host: 127.0.0.1:{port}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
            "",
            "",
        )
        connection.sendall("\r\n".join(lines).encode())
        status = answer.readline()
        assert b" 101 " in status, status + answer.read(2000)
        while answer.readline().strip():
            continue
        # A client has to mask what it sends; with zeros that changes nothing.
        data = message.encode()
        connection.sendall(bytes([_TEXT, _MASKED | len(data)]) + _MASK + data)
        first, length = answer.read(2)
        assert first == _TEXT
        return answer.read(length).decode()
