from __future__ import annotations

import json
import logging
import os
import signal
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from estiba.deploy.ssh.session import Session
from estiba.errors import BusyError, ConnectionLostError, TargetError
from estiba.process import Completed

if TYPE_CHECKING:
    from collections.abc import Callable

    from estiba.deploy.ssh.provision import Server

REQUEST = {"method": "unlock", "arguments": {}}
LOST = ConnectionLostError("no connection to shop: it was lost")


@dataclass
class Answers:
    """Stands in for a server: for each call the lines of progress, then its outcome, or an error that is raised."""

    answers: list[tuple[list[dict[str, str]], dict[str, Any] | BaseException]]
    calls: list[tuple[str, ...]] = field(default_factory=list)
    connection: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(host="shop"))

    def run(
        self, *words: str, stdin: str = "", on_line: Callable[[str], None] | None = None, fresh: bool = False
    ) -> Completed:
        """Note the words and give the next answer."""
        del stdin, fresh
        self.calls.append(words)
        lines, outcome = self.answers.pop(0)
        for line in lines:
            if on_line:
                on_line(json.dumps(line))
        if isinstance(outcome, BaseException):
            raise outcome
        return Completed(
            argv=words, code=0, stdout=f'{{ Welcome!\n{json.dumps(outcome)}\n{{ Bye!\n{{"bye": 1}}\n', tail=""
        )


def make(*answers: tuple[list[dict[str, str]], dict[str, Any] | BaseException]) -> tuple[Session, Answers]:
    """Return commands on a server that answers in turn."""
    server = Answers(list(answers))
    return Session(server=cast("Server", server), sleep=lambda _: None), server


def test_result_and_progress_arrive(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever else the login there prints is passed over; warnings are warnings here."""
    said: list[str] = []
    session, server = make(([{"status": "migrating"}, {"warning": "take care"}], {"result": "ana"}))
    with caplog.at_level(logging.WARNING):
        assert session.ask(REQUEST, on_status=said.append) == "ana"

    assert said == ["migrating"]
    assert caplog.messages == ["take care"]
    assert server.calls == [("call",)]


def test_lost_connection_is_taken_up_where_it_was() -> None:
    """The same command is followed, from the line on that was not seen yet."""
    lines = [{"status": "one"}], [{"status": "two"}, {"status": "three"}]
    session, server = make((lines[0], LOST), ([], LOST), (lines[1], LOST), ([], {"result": "ana"}))
    said: list[str] = []

    assert session.run(REQUEST, on_status=said.append) == "ana"
    assert [one for one in said if "lost" not in one] == ["one", "two", "three"]
    assert [call[2] for call in server.calls] == ["0", "1", "1", "3"]
    assert len({call[1] for call in server.calls}) == 1


def test_connection_that_breaks_before_the_first_word_is_opened_again() -> None:
    """Where the server was reached before, or has said that the command has begun."""
    session, server = make(([], LOST), ([], {"result": "ana"}), ([{"begun": "0"}], LOST), ([], {"result": "ana"}))

    assert session.run(REQUEST, on_status=lambda _: None, was_reached=True) == "ana"
    assert session.run(REQUEST, on_status=lambda _: None) == "ana"
    assert {call[2] for call in server.calls} == {"0"}


def test_server_that_was_never_reached_is_given_up_soon() -> None:
    """A wrong name or key does not become right."""
    session, server = make(([], LOST), ([], LOST))
    with pytest.raises(ConnectionLostError):
        session.run(REQUEST, on_status=lambda _: None)

    assert len(server.calls) == 2


def test_server_that_stays_away_is_given_up() -> None:
    """After minutes, with what becomes of the command."""
    session, _ = make(([{"status": "one"}], LOST), *[([], LOST)] * 200)
    with pytest.raises(ConnectionLostError) as caught:
        session.run(REQUEST, on_status=lambda _: None)

    assert "the server finishes by itself" in caught.value.hint


def test_errors_are_raised_here() -> None:
    """With the class that they have there."""
    said = {"class": "BusyError", "hint": "wait", "message": "ana runs deploy here", "more": {}}
    session, _ = make(([], {"error": said}), ([], {}))
    with pytest.raises(BusyError, match="shop: ana runs deploy here"):
        session.ask(REQUEST, on_status=None)
    with pytest.raises(TargetError, match="shop gave no answer"):
        session.ask(REQUEST, on_status=None)


def test_interruption_is_the_servers_too() -> None:
    """Ctrl-C asks it to stop, and its way back is waited for."""
    session, server = make(
        ([{"status": "migrating"}], KeyboardInterrupt()), ([], {"result": True}), ([], {"interrupted": "taken back"})
    )
    with pytest.raises(KeyboardInterrupt, match="taken back"):
        session.run(REQUEST, on_status=lambda _: None)

    assert [call[0] for call in server.calls] == ["run", "interrupt", "run"]


@pytest.mark.parametrize("answers", [0, 1], ids=["while it is asked", "while its way back is waited for"])
def test_second_interruption_leaves_it_to_the_server(answers: int) -> None:
    """What is said is not that nothing has changed."""
    asked: list[tuple[list[dict[str, str]], dict[str, Any] | BaseException]] = [([], {"result": True})]
    session, _ = make(([], KeyboardInterrupt()), *asked[:answers], ([], KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt, match="the server takes its way back by itself"):
        session.run(REQUEST, on_status=lambda _: None)


def test_what_has_not_begun_is_not_begun_by_its_interruption() -> None:
    """The request is not sent again."""
    session, server = make(([], KeyboardInterrupt()), ([], {"result": False}))
    with pytest.raises(KeyboardInterrupt):
        session.run(REQUEST, on_status=lambda _: None)

    assert [call[0] for call in server.calls] == ["run", "interrupt"]


def test_termination_is_an_interruption() -> None:
    """A CI system that cancels a job sends SIGTERM, and once more while the way back is waited for."""
    session, server = make(([], {"result": True}), ([], {"interrupted": "taken back"}))
    first = server.run
    passed: list[int] = []

    def run(*words: str, **more: Any) -> Completed:  # noqa: ANN401 - as above
        if words[0] == "run":
            os.kill(os.getpid(), signal.SIGTERM)
        return first(*words, **more)

    server.run = run  # type: ignore[method-assign]
    before = signal.signal(signal.SIGTERM, lambda number, _: passed.append(number))
    try:
        with pytest.raises(KeyboardInterrupt, match="taken back"):
            session.run(REQUEST, on_status=lambda _: None)
    finally:
        signal.signal(signal.SIGTERM, before)

    assert passed == []
    assert [call[0] for call in server.calls] == ["interrupt", "run"]


def test_silence_is_told() -> None:
    """With what looks at the server, also where a login there prints an object of its own."""
    session, _ = make(([], {"motd": "Welcome!"}))
    with pytest.raises(TargetError, match="shop gave no answer") as caught:
        session.ask(REQUEST, on_status=None)

    assert caught.value.hint.startswith("invoke server.prepare")
