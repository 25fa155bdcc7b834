"""Load generator: HTTP requests at a constant rate, and the count of their responses."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from estiba.endpoint import REFUSAL, Endpoint
from estiba.errors import DeployError

if TYPE_CHECKING:
    from collections.abc import Iterator

_ADDRESS: Final = "127.0.0.1"
_CLIENTS: Final = 5


@dataclass(slots=True)
class Traffic:
    """Responses so far.

    Attributes:
        answers: Number of responses by HTTP status, and of failures by class name of the exception.
        slowest: Duration of the slowest request, in seconds.
    """

    answers: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0

    @property
    def failed(self) -> dict[str, int]:
        """Counts of failures: exceptions, and statuses from 400 on."""
        return {
            answer: count for answer, count in self.answers.items() if not answer.isdigit() or int(answer) >= REFUSAL
        }

    @property
    def count(self) -> int:
        """Number of requests."""
        return self.answers.total()


@contextmanager
def running(port: int, path: str = "/", *, rate: int = 50) -> Iterator[Traffic]:
    """Send requests while the block runs; every other client keeps its connection open.

    Args:
        port: TCP port at the loopback address.
        path: Path to request.
        rate: Requests per second.
    """
    traffic = Traffic()
    stop, lock = threading.Event(), threading.Lock()
    interval = _CLIENTS / rate
    endpoint = _endpoint(port)

    def client(number: int) -> None:
        keep = number % 2 == 0
        due = time.monotonic() + interval * number / _CLIENTS
        with endpoint.connect() as connection:
            # By due time and not by pauses, so that slow responses do not lower the rate.
            while not stop.wait(max(0.0, due - time.monotonic())):
                due += interval
                began = time.monotonic()
                answer = _ask(endpoint, path, connection)
                if not keep:
                    connection.close()
                with lock:
                    traffic.answers[answer] += 1
                    traffic.slowest = max(traffic.slowest, time.monotonic() - began)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(_CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield traffic
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def fetch_page(port: int, path: str = "/") -> str:
    """Fetch a page from the loopback address, and return its text.

    Raises:
        DeployError: The server does not answer, or answers with a status from 400 on.
    """
    try:
        answer = _endpoint(port).ask(path)
    except (OSError, http.client.HTTPException) as error:
        msg = f"{path} does not answer: {error}"
        raise DeployError(msg, hint="invoke logs") from error
    if answer.status >= REFUSAL:
        msg = f"{path} answers {answer.status}"
        raise DeployError(msg, hint="invoke logs")
    return answer.body.decode(errors="replace")


def _endpoint(port: int) -> Endpoint:
    return Endpoint(host="localhost", address=_ADDRESS, port=port)


def _ask(endpoint: Endpoint, path: str, connection: http.client.HTTPConnection) -> str:
    try:
        return str(endpoint.ask(path, connection).status)
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        return type(error).__name__
