"""Webhooks against a real HTTP server: what is sent, what is tried again, and what is said about failures."""

from __future__ import annotations

import http.server
import json
import re
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from estiba import config
from estiba.errors import ConfigError
from estiba.release.notify import Event, send, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

EVENT = Event(
    name="failure",
    service="shop",
    version="1.2.0",
    target="production",
    text="smoke failed: <html> & SECRET_KEY=hunter2",
    details={"minutes": "3"},
)
PATH = "/services/T000/hidden-path"


class Hook:
    """A web server that keeps bodies and paths, and answers with given codes, the last one again and again."""

    def __init__(self, *codes: int) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.paths: list[str] = []
        hook, left = self, list(codes)

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                hook.paths.append(self.path)
                hook.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(left.pop(0) if len(left) > 1 else left[0])
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)


@contextmanager
def serve(*codes: int) -> Iterator[Hook]:
    """Run the server."""
    hook = Hook(*codes)
    thread = threading.Thread(target=hook.server.serve_forever)
    thread.start()
    try:
        yield hook
    finally:
        hook.server.shutdown()
        thread.join()
        hook.server.server_close()


def tell(monkeypatch: pytest.MonkeyPatch, port: int, **table: object) -> tuple[tuple[str, ...], list[float]]:
    """Send the event to a webhook at a port; return the problems, and how long was waited."""
    monkeypatch.setenv("HOOK", f"http://127.0.0.1:{port}{PATH}")
    waited: list[float] = []
    found = send({"webhooks": ["env:HOOK"], **table}, EVENT, config.load(), sleep=waited.append)
    assert PATH not in "".join(found)
    return found, waited


def test_json_has_all_fields_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """The body is the event, and what looks like a secret is redacted."""
    with serve(204) as hook:
        assert tell(monkeypatch, hook.server.server_port) == ((), [])

    assert (hook.paths, hook.bodies) == (
        [PATH],
        [
            {
                "details": {"minutes": "3"},
                "name": "failure",
                "service": "shop",
                "target": "production",
                "text": "smoke failed: <html> & SECRET_KEY=***",
                "version": "1.2.0",
            }
        ],
    )


def test_slack_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slack's three special characters are escaped."""
    with serve(200) as hook:
        tell(monkeypatch, hook.server.server_port, format="slack")

    text = "*shop 1.2.0 on production: failure*\nsmoke failed: &lt;html&gt; &amp; SECRET_KEY=***\nminutes: 3"
    assert hook.bodies == [{"text": text}]


def test_teams_gets_a_card(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Teams workflow gets an Adaptive Card with the facts."""
    with serve(202) as hook:
        tell(monkeypatch, hook.server.server_port, format="teams")

    card = hook.bodies[0]["attachments"][0]["content"]
    assert card["body"][0]["text"] == "shop 1.2.0 on production: failure"
    assert card["body"][2]["facts"] == [{"title": "minutes", "value": "3"}]


def test_busy_server_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that recovers in time gets the message once more."""
    with serve(503, 200) as hook:
        assert tell(monkeypatch, hook.server.server_port) == ((), [1.0])
    assert len(hook.bodies) == 2


@pytest.mark.parametrize(
    ("codes", "problem", "count"),
    [
        pytest.param([500], "webhook HOOK: it answers 500, 3 times", 3, id="broken"),
        pytest.param([404], "webhook HOOK: it answers 404", 1, id="unknown"),
        pytest.param([302], "webhook HOOK: it answers 302", 1, id="redirect-not-followed"),
    ],
)
def test_refusals_are_problems(monkeypatch: pytest.MonkeyPatch, codes: list[int], problem: str, count: int) -> None:
    """A refusal is said without the URL; only what may pass is tried again."""
    with serve(*codes) as hook:
        assert tell(monkeypatch, hook.server.server_port)[0] == (problem,)
    assert len(hook.bodies) == count


def test_server_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """A closed port is a problem after three attempts."""
    with serve(200) as hook:
        port = hook.server.server_port

    assert tell(monkeypatch, port) == (("webhook HOOK: Connection refused, 3 times",), [1.0, 2.0])


def test_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """The request goes through HTTP_PROXY."""
    with serve(200) as hook:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{hook.server.server_port}")
        monkeypatch.setenv("no_proxy", "")
        monkeypatch.setenv("HOOK", "http://chat.invalid/hook")
        assert send({"webhooks": ["env:HOOK"]}, EVENT, config.load()) == ()

    assert hook.paths == ["http://chat.invalid/hook"]


@pytest.mark.parametrize("value", ["", "hidden-word", "http://[hidden-word"])
def test_variable_without_url(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """An unset or wrong variable is a problem, and its value is not said."""
    monkeypatch.setenv("HOOK", value)
    (problem,) = send({"webhooks": ["env:HOOK"]}, EVENT, config.load())

    assert problem.startswith("webhook HOOK: the variable")
    assert "hidden-word" not in problem


def test_events_that_nobody_wants_are_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """`events` selects."""
    assert send({"webhooks": ["env:HOOK"], "events": ["end"]}, EVENT, config.load()) == ()


def test_wrong_settings_fail_no_release() -> None:
    """Even wrong settings are a problem, not an error; the URL in them is not quoted."""
    (problem,) = send({"webhooks": ["https://chat.invalid/hidden-word"]}, EVENT, config.load())

    assert problem.startswith("nobody was notified: pyproject.toml [tool.estiba.release.notify]: 'webhooks' must be")
    assert "hidden-word" not in problem


def test_all_problems_of_the_settings_are_listed() -> None:
    """Each wrong value has its sentence."""
    mail = {"from": "me", "port": 0, "username-env": "A", "host": "mail", "to": ["b@c"], "starttls": False, "tls": True}
    table = {"webhook": [], "format": "xml", "events": ["ends"], "mail": mail}
    with pytest.raises(ConfigError) as caught:
        settings.parse(table)

    assert [re.split("[,;]", problem)[0] for problem in caught.value.problems] == [
        "unknown key 'webhook'",
        "'format' must be one of json",
        "'events' must be a list of start",
        "mail: unknown key 'tls'",
        "mail: 'from' must be an address",
        "mail: 'host' must be a name and 'port' a number from 1 to 65535",
        "mail: 'username-env' and 'password-env' come together",
    ]


def test_name_that_cannot_be_written_is_a_problem() -> None:
    """A label of a host has 63 letters at most; a password with other characters than ASCII fails alike."""
    mail = {"from": "me@shop.example", "host": f"{'a' * 64}.example", "to": ["b@shop.example"]}

    (problem,) = send({"mail": mail}, EVENT, config.load(), sleep=lambda _: None)

    assert problem.endswith("has other characters than ASCII, or a name is too long")
