"""A TCP proxy on a loopback port that breaks connections on purpose."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_BLOCK = 1 << 16


class FlakyProxy:
    """Passes bytes on, and cuts each of the first connections that carries more than a limit from the client."""

    def __init__(self, target: int, *, cuts: int, limit: int) -> None:
        self._target = target
        self._limit = limit
        self._lock = threading.Lock()
        self.cuts_left = cuts
        self.carried = 0
        self._connections: list[tuple[socket.socket, threading.Thread]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    @property
    def host(self) -> str:
        """The host part of references that go through the proxy."""
        return f"localhost:{self.port}"

    def serve(self) -> None:
        """Accept connections until closed."""
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._target))
            thread = threading.Thread(target=self._carry, args=(client, server), daemon=True)
            self._connections.append((client, thread))
            thread.start()

    def close(self) -> None:
        """Stop accepting, and end the connections there are."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for client, thread in self._connections:
            _end(client)
            thread.join()

    def _carry(self, client: socket.socket, server: socket.socket) -> None:
        """Carry one connection in both directions to its end."""
        with client, server:
            back = threading.Thread(target=self._pipe, args=(server, client), daemon=True)
            back.start()
            self._upstream(client, server)
            back.join()

    def _upstream(self, client: socket.socket, server: socket.socket) -> None:
        """Pass on what the client sends, up to the limit while cuts are left."""
        passed = 0
        try:
            while data := client.recv(_BLOCK):
                passed += len(data)
                if passed > self._limit and self._take_cut():
                    break
                server.sendall(data)
                with self._lock:
                    self.carried += len(data)
        except OSError:
            pass
        _end(client, server)

    def _pipe(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(_BLOCK):
                sink.sendall(data)
        except OSError:
            pass
        _end(source, sink)

    def _take_cut(self) -> bool:
        with self._lock:
            if self.cuts_left == 0:
                return False
            self.cuts_left -= 1
            return True


def _end(*ends: socket.socket) -> None:
    for end in ends:
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            continue


@contextmanager
def run(target: int, *, cuts: int, limit: int) -> Iterator[FlakyProxy]:
    """Run a proxy to a port until the end of the block."""
    proxy = FlakyProxy(target, cuts=cuts, limit=limit)
    thread = threading.Thread(target=proxy.serve, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
        thread.join()
