"""Commands on a server that go on when the connection is lost, and are found again."""

from __future__ import annotations

import json
import logging
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from estiba.deploy.ssh import codec
from estiba.errors import ConnectionLostError, TargetError
from estiba.process import interruptible

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from estiba.deploy.ssh.provision import Server
    from estiba.process import Completed

_PATIENCE: Final = 300.0
"""Seconds that a lost connection is tried again."""

_TRIES: Final = 2
"""So often a server is tried that was never reached: its name or the key may be wrong."""

_LONGEST_PAUSE: Final = 5.0
_KINDS: Final = frozenset({"error", "interrupted", "result"})
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Commands on one server.

    Attributes:
        server: The server.
        sleep: Sleeps for a number of seconds before another attempt.
    """

    server: Server
    sleep: Callable[[float], None] = time.sleep

    def ask(self, request: Mapping[str, Any], *, on_status: Callable[[str], None] | None, fresh: bool = False) -> Any:  # noqa: ANN401 - the method's result
        """Run a request that changes nothing, and return its result; a lost connection ends it, and it begins anew.

        Args:
            request: See `estiba.deploy.server.request.Request`.
            on_status: Callback for progress.
            fresh: See `Server.run`.

        Raises:
            EstibaError: What the method raised there.
        """
        text = json.dumps(dict(request))
        reader = _Reader(on_status)

        def attempt() -> Completed:
            return self.server.run("call", stdin=text, on_line=reader, fresh=fresh)

        return self._read(self._persist(attempt, reader), request)

    def run(self, request: Mapping[str, Any], *, on_status: Callable[[str], None], was_reached: bool = False) -> Any:  # noqa: ANN401 - the method's result
        """Run a request that outlives the connection, and return its result; errors are those of `ask`.

        Ctrl-C asks the server to stop, which takes its way back first; a second one leaves it to that.

        Args:
            request: As for `ask`.
            on_status: Callback for progress.
            was_reached: Whether the server has answered already, so that it is there when it does not.

        Raises:
            ConnectionLostError: The server was not reached for minutes; it goes on.
            KeyboardInterrupt: The command was interrupted, there or here.
        """
        name, text = uuid.uuid4().hex, json.dumps(dict(request))
        reader = _Reader(on_status)
        reader.has_contact = was_reached

        def attempt() -> Completed:
            return self.server.run("run", name, str(reader.seen), stdin=text, on_line=reader)

        # The way back too: a CI system that cancels a job sends a second signal while it is waited for.
        with interruptible():
            try:
                done = self._persist(attempt, reader)
            except KeyboardInterrupt:
                stopped = self._stop(name, attempt, reader)
                if stopped is None:
                    raise
                done = stopped
        return self._read(done, request)

    def _stop(self, name: str, attempt: Callable[[], Completed], reader: _Reader) -> Completed | None:
        """Ask the server to stop a command, and return what came of it; None where it had not begun, and never will."""
        reader.tell("asking the server to stop, and waiting for its way back")
        try:
            stopped = self._persist(lambda: self.server.run("interrupt", name), reader)
            return self._persist(attempt, reader) if self._outcome(stopped).get("result") else None
        except KeyboardInterrupt as again:
            msg = "interrupted; the server takes its way back by itself, and invoke status shows what came of it"
            raise KeyboardInterrupt(msg) from again

    def _persist(self, attempt: Callable[[], Completed], reader: _Reader) -> Completed:
        """Return what an attempt returns, with others after it while the connection is lost.

        Raises:
            ConnectionLostError: It stayed lost, or there was none in the beginning.
        """
        pause, left, seen, tries = 0.25, _PATIENCE, -1, 0
        while True:
            try:
                return attempt()
            except ConnectionLostError as error:
                tries += 1
                if not reader.has_contact and tries == _TRIES:
                    raise
                if reader.seen > seen:
                    pause, left, seen = 0.25, _PATIENCE, reader.seen
                if left <= 0:
                    hint = "the server finishes by itself; invoke status shows what came of it"
                    raise ConnectionLostError(error.message, hint=hint) from error
            if reader.has_contact:
                reader.tell("the connection was lost; the server goes on, and is asked again")
            self.sleep(pause)
            left -= pause
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _read(self, done: Completed, request: Mapping[str, Any]) -> Any:  # noqa: ANN401 - the method's result
        """Return the result in what the server's program has written; raise the error that is there instead."""
        outcome = self._outcome(done)
        if "interrupted" in outcome:
            raise KeyboardInterrupt(outcome["interrupted"])
        return codec.decode(codec.hints(request["method"])["return"], outcome["result"])

    def _outcome(self, done: Completed) -> dict[str, Any]:
        """Return the last line that the server's program has written, after what a login there may print."""
        lines = map(codec.parse_line, reversed(done.stdout.splitlines()))
        outcome = next((line for line in lines if _KINDS & line.keys()), {})
        if "error" in outcome:
            raise codec.restore(outcome["error"], self.server.connection.host)
        if not outcome:
            msg = f"{self.server.connection.host} gave no answer: {done.tail}"
            raise TargetError(msg, hint="invoke server.prepare shows what the server lacks")
        return outcome


class _Reader:
    """Callback for lines of standard error: progress and warnings of the server, and what else ssh says.

    Attributes:
        seen: Number of lines of progress so far.
        has_contact: Whether the server was reached.
    """

    def __init__(self, on_status: Callable[[str], None] | None) -> None:
        self._on_status = on_status
        self.seen = 0
        self.has_contact = False

    def __call__(self, line: str) -> None:
        found = codec.parse_line(line)
        if not found:
            return
        self.has_contact = True
        if "begun" in found:
            return
        self.seen += 1
        if "warning" in found:
            _log.warning(str(found["warning"]))
        self.tell(str(found.get("status", "")))

    def tell(self, text: str) -> None:
        """Report a line of progress."""
        if text and self._on_status:
            self._on_status(text)
