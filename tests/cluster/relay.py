"""TCP relay from a socket that listens in one network namespace into the namespace that this process runs in.

A socket belongs to the namespace that it was made in, so one that is inherited still listens outside.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from contextlib import suppress

_CHUNK = 1 << 16


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass bytes on until the end, and then the end."""
    while data := await reader.read(_CHUNK):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


async def _serve(listener: socket.socket, host: str, port: int) -> None:
    """Serve a listening socket for ever."""

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection; who cannot be connected loses it at once."""
        try:
            there_reader, there_writer = await asyncio.open_connection(host, port)
        except OSError:
            writer.transport.abort()
            return
        with suppress(OSError):
            await asyncio.gather(_copy(reader, there_writer), _copy(there_reader, writer))
        there_writer.close()
        writer.close()

    server = await asyncio.start_server(relay, sock=listener)
    await server.serve_forever()


async def serve(routes: list[tuple[int, str, int]]) -> None:
    """Serve listening sockets for ever.

    Args:
        routes: File descriptor of each, and host and port to connect to.
    """
    await asyncio.gather(*(_serve(socket.socket(fileno=number), host, port) for number, host, port in routes))


def parse(route: str) -> tuple[int, str, int]:
    """Read `DESCRIPTOR=HOST:PORT`."""
    number, _, address = route.partition("=")
    host, _, port = address.rpartition(":")
    return int(number), host, int(port)


if __name__ == "__main__":
    asyncio.run(serve([parse(route) for route in sys.argv[1:]]))
