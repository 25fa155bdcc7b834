"""A load generator: a steady number of requests a second, and what became of each."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_CLIENTS = 5
_TIMEOUT = 10.0
_REFUSAL = 400


@dataclass
class Load:
    """What became of the requests.

    Attributes:
        answers: How often each answer came: a status, or the error that came instead.
        slowest: Seconds of the slowest request.
    """

    answers: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0

    @property
    def failed(self) -> dict[str, int]:
        """Every answer that was none or a refusal."""
        return {
            answer: count for answer, count in self.answers.items() if not answer.isdigit() or int(answer) >= _REFUSAL
        }

    @property
    def count(self) -> int:
        """How many requests there were."""
        return self.answers.total()


@contextmanager
def running(port: int, path: str = "/", *, rate: int = 50) -> Iterator[Load]:
    """Send requests for as long as the block runs, half of the clients over connections that stay open.

    Args:
        port: On the loopback address.
        path: What to ask for.
        rate: Requests a second.
    """
    load = Load()
    stop, lock = threading.Event(), threading.Lock()
    interval = _CLIENTS / rate

    def client(number: int) -> None:
        keep = number % 2 == 0
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT)
        due = time.monotonic() + interval * number / _CLIENTS
        while not stop.wait(max(0.0, due - time.monotonic())):
            due += interval
            began = time.monotonic()
            answer = _ask(connection, path)
            if not keep:
                connection.close()
            with lock:
                load.answers[answer] += 1
                load.slowest = max(load.slowest, time.monotonic() - began)
        connection.close()

    threads = [threading.Thread(target=client, args=(number,)) for number in range(_CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _ask(connection: http.client.HTTPConnection, path: str) -> str:
    try:
        connection.request("GET", path, headers={"Host": "localhost"})
        response = connection.getresponse()
        response.read()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        return type(error).__name__
    return str(response.status)
