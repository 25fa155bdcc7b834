"""Deployment of a changed line to a server by SSH, 30 ms away, and the way back.

Run as root: `python -m benchmarks.servers`. It measures this alone, and writes the page anew. The server is a minimal
Debian with sshd on this machine, and a relay before it holds back all that passes for half of the round trip.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import threading
import time
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.stopwatch import Action, measure
from tests.services import harbour, remote, sshd

from estiba.tasks.console import console

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.services.remote import Remote

RUNS: Final = 5
ROUND_TRIP: Final = 0.03
"""Seconds."""

TARGET: Final = 8.0
"""Seconds of a deployment."""

ROLLBACK_TARGET: Final = 3.0
"""Seconds of a rollback."""

_CHUNK: Final = 2**16
_PAGE: Final = """
## A deployment by SSH

A changed line of the template's service, built within the command, is deployed to a server 30 ms away (round trip; a
relay holds back all that passes), where an ordinary user has a Nix store of his own, and taken back. The connection of
ssh that commands share is open. Medians of {runs} runs, which take turns, at a load average of {load:.0f} in the end.
The first deployment, which brings Nix and all that the service runs from, took {first:.0f} s.

| | ours | target |
| --- | --- | --- |
| deployment | {deployed:.1f} s | {target:.0f} s ({whole}) |
| rollback | {back:.1f} s | {rollback_target:.0f} s ({way_back}) |
"""


@contextmanager
def delayed(port: int, seconds: float) -> Iterator[int]:
    """Run a relay to a port of this machine, which holds back each byte on its way, and return its own port.

    Args:
        port: Where it leads to.
        seconds: How long each way takes.
    """
    started: Future[tuple[int, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The handshake of TCP is a round trip of its own.
        await asyncio.sleep(2 * seconds)
        there = await asyncio.open_connection("127.0.0.1", port)
        try:
            await asyncio.gather(_pump(reader, there[1], seconds), _pump(there[0], writer, seconds))
        except ConnectionError:
            # What ends one side ends the other.
            pass
        finally:
            writer.close()
            there[1].close()

    async def serve() -> None:
        ended = asyncio.Event()
        async with await asyncio.start_server(join, "127.0.0.1", 0) as server:
            started.set_result((server.sockets[0].getsockname()[1], asyncio.get_running_loop(), ended))
            await ended.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    own, loop, ended = started.result()
    try:
        yield own
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    """Pass on what comes, each part after its time, without waiting for the part before to be taken."""
    passing: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def read() -> None:
        data = b"-"
        while data:
            data = await reader.read(_CHUNK)
            await passing.put((time.monotonic() + seconds, data))

    reading = asyncio.ensure_future(read())
    data = b"-"
    while data:
        due, data = await passing.get()
        await asyncio.sleep(due - time.monotonic())
        if data:
            writer.write(data)
            await writer.drain()
    writer.write_eof()
    await reading


class Servers:
    """Measures a service that is deployed to a server."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote
        self._changes = 0

    def measure(self, runs: int = RUNS) -> dict[str, Any]:
        """Measure both in turns, in the form of the results file."""
        started = time.perf_counter()
        self._deploy()
        first = time.perf_counter() - started
        self._serve()
        actions = {
            "deployed": Action(self._deploy, self._change),
            "taken back": Action(lambda: self._remote.ask("rollback"), self._serve),
        }
        found = {name: times.to_dict() for name, times in measure(actions, runs=runs, warm_up=False).items()}
        return {**found, "first": round(first, 1), "load": os.getloadavg()[2]}

    def _change(self) -> None:
        self._changes += 1
        self._remote.write(f"Change {self._changes} of {time.time()}.")

    def _deploy(self) -> None:
        assert self._remote.ask("deploy")["result"] == "deployed"

    def _serve(self) -> None:
        self._change()
        self._deploy()


def render(found: Mapping[str, Any]) -> str:
    """Return the page's chapter as Markdown."""
    deployed, back = found["deployed"]["median"], found["taken back"]["median"]
    return _PAGE.format(
        runs=len(found["deployed"]["runs"]),
        load=found["load"],
        first=found["first"],
        deployed=deployed,
        back=back,
        target=TARGET,
        rollback_target=ROLLBACK_TARGET,
        whole="met" if deployed <= TARGET else "**missed**",
        way_back="met" if back <= ROLLBACK_TARGET else "**missed**",
    )


def measure_here() -> dict[str, Any]:
    """Make a server and a service, measure, and end it."""
    with tempfile.TemporaryDirectory(prefix="ssh-", dir="/var/tmp") as name:
        place = Path(name)
        place.chmod(0o755)
        service = harbour.make(place / "made" / "harbour")
        server = sshd.make(place)
        with server.running(), delayed(server.port, ROUND_TRIP / 2) as port:
            return Servers(remote.make(service, place / "service", server.at(port))).measure()


def main() -> None:
    """Measure, and put the figures beside those that `invoke bench` found."""
    # Not before: the page is rendered by what imports this.
    from benchmarks import bench, page  # noqa: PLC0415

    found = measure_here()
    results = {**json.loads(bench.RESULTS.read_text()), "servers": found}
    bench.RESULTS.write_text(json.dumps(results, indent=2, sort_keys=True) + "\n")
    (harbour.ROOT / "docs" / "benchmarks.md").write_text(page.render(results))
    console.result(render(found))


if __name__ == "__main__":
    main()
