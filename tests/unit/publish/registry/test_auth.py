"""A registry is answered as the distribution specification says, and no secret goes where it does not belong."""

from __future__ import annotations

import base64
import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from estiba.errors import RegistryError
from estiba.imageref import ImageRef
from estiba.publish.registry.auth import Challenge, parse_challenges
from estiba.publish.registry.client import Registry
from estiba.publish.registry.credentials import Credentials
from estiba.publish.registry.transport import Backoff

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ANA = Credentials(username="ana", password="s3cret")
BASIC = f"Basic {base64.b64encode(b'ana:s3cret').decode()}"
MISSING = "0" * 64


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('Basic realm="a, b"', [Challenge(scheme="basic", parameters={"realm": "a, b"})]),
        (
            'Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a:pull,push"',
            [
                Challenge(
                    scheme="bearer",
                    parameters={
                        "realm": "https://auth.example/token",
                        "service": "registry.example",
                        "scope": "repository:a:pull,push",
                    },
                )
            ],
        ),
        (
            'Negotiate, BASIC Realm="x\\"y", Bearer realm=z',
            [
                Challenge(scheme="negotiate"),
                Challenge(scheme="basic", parameters={"realm": 'x"y'}),
                Challenge(scheme="bearer", parameters={"realm": "z"}),
            ],
        ),
        ("", []),
    ],
    ids=["basic", "bearer", "several", "none"],
)
def test_challenges(header: str, expected: list[Challenge]) -> None:
    """Schemes and parameters are read, quoted or not, one challenge or several."""
    assert parse_challenges(header) == expected


@dataclass
class Server:
    """A registry's front: answers every request as it is told and notes what it saw."""

    answer: Callable[[Server, BaseHTTPRequestHandler], tuple[int, dict[str, str], bytes]]
    port: int = 0
    seen: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def ref(self) -> ImageRef:
        """A reference to it."""
        return ImageRef.parse(f"localhost:{self.port}/team/shop:1")


@contextmanager
def serving(answer: Callable[[Server, BaseHTTPRequestHandler], tuple[int, dict[str, str], bytes]]) -> Iterator[Server]:
    """Serve until the end of the block."""
    server = Server(answer)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
            server.seen.append((f"{self.command} {self.path}", self.headers.get("Authorization", ""), body))
            status, headers, data = server.answer(server, self)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        do_POST = do_PUT = do_HEAD = do_GET  # noqa: N815 - the names that http.server calls

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        server.port = http.server_address[1]
        thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        http.shutdown()
        thread.join()


def tokens(server: Server, request: BaseHTTPRequestHandler) -> tuple[int, dict[str, str], bytes]:
    """Hand out a token for basic credentials or an identity token; serve with that token only."""
    path = urlsplit(request.path)
    if path.path == "/token":
        is_known = request.headers.get("Authorization") == BASIC or "refresh_token=t0ken" in server.seen[-1][2]
        return (200, {}, json.dumps({"token": "for-ana"}).encode()) if is_known else (401, {}, b"{}")
    if request.headers.get("Authorization") == "Bearer for-ana":
        return 404, {}, b"{}"
    realm = f'Bearer realm="http://localhost:{server.port}/token",service="here"'
    return 401, {"WWW-Authenticate": realm}, b"{}"


@pytest.mark.parametrize("credentials", [ANA, Credentials(identity_token="t0ken")], ids=["basic", "identity-token"])
def test_token_is_fetched_once(credentials: Credentials) -> None:
    """The first request is challenged; the token then serves all further ones."""
    with serving(tokens) as server:
        registry = Registry(server.ref, credentials=credentials, writes=True, mount_from="team/base")
        assert registry.manifest("1") is None
        assert registry.manifest("2") is None
    requests = [urlsplit(request.split(" ")[1]).path for request, _, _ in server.seen]
    assert requests == ["/v2/team/shop/manifests/1", "/token", "/v2/team/shop/manifests/1", "/v2/team/shop/manifests/2"]
    request, _, body = server.seen[1]
    asked = parse_qs(urlsplit(request.split(" ")[1]).query or body)
    assert asked["service"] == ["here"]
    assert " ".join(asked["scope"]) == "repository:team/shop:pull,push repository:team/base:pull"


def test_refused_credentials() -> None:
    """The error says what to do and holds no secret."""
    wrong = Credentials(username="ana", password="wr0ng")
    with serving(tokens) as server, pytest.raises(RegistryError) as caught:
        Registry(server.ref, credentials=wrong).manifest("1")
    host = f"localhost:{server.port}"
    assert str(caught.value) == f"{host} refuses the credentials there are for it\n  hint: log in: docker login {host}"
    assert "wr0ng" not in repr(caught.value.__cause__)


def test_no_credentials() -> None:
    """Where there are none, a token for nobody is asked for, and then the error tells."""
    with serving(tokens) as server, pytest.raises(RegistryError, match="wants credentials, and there are none for it"):
        Registry(server.ref).manifest("1")


def test_token_server_without_https() -> None:
    """Credentials are not sent in clear text over a network."""
    answer = 401, {"WWW-Authenticate": 'Bearer realm="http://auth.example/token"'}, b""
    with serving(lambda *_: answer) as server, pytest.raises(RegistryError, match="names a token server without HTTPS"):
        Registry(server.ref, credentials=ANA).manifest("1")
    assert [authorization for _, authorization, _ in server.seen] == [""]


def test_unknown_scheme() -> None:
    """Schemes that are not known are named."""
    answer = 401, {"WWW-Authenticate": "Negotiate"}, b""
    with (
        serving(lambda *_: answer) as server,
        pytest.raises(RegistryError, match="asks for authentication by negotiate"),
    ):
        Registry(server.ref, credentials=ANA).manifest("1")


def test_netrc_is_not_read(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Credentials come from Docker's configuration only."""
    netrc = tmp_path_factory.mktemp("home") / "netrc"
    netrc.write_text("machine localhost login ana password s3cret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with serving(lambda *_: (404, {}, b"{}")) as server:
        Registry(server.ref).manifest("1")
    assert server.seen[0][1] == ""


def test_busy_registry_is_asked_again() -> None:
    """A registry that is overloaded decides how long to wait, within limits."""
    answers = [(429, {"Retry-After": "7"}, b"{}"), (503, {}, b"{}"), (404, {}, b"{}")]
    pauses: list[float] = []
    with serving(lambda *_: answers.pop(0)) as server:
        registry = Registry(server.ref, backoff=Backoff(sleep=pauses.append))
        assert registry.manifest("1") is None
        assert registry.requests == 3
    assert pauses == [7.0, 0.2, 0.4]


def test_gives_up() -> None:
    """After the last try the error is the registry's own, without the query of the address."""
    refusal = json.dumps({"errors": [{"code": "UNAVAILABLE", "message": "come back later"}]}).encode()
    with serving(lambda *_: (503, {}, refusal)) as server, pytest.raises(RegistryError) as caught:
        Registry(server.ref, backoff=Backoff(attempts=2, sleep=lambda _: None)).manifest("1")
    host = f"localhost:{server.port}"
    said = f"{host} answered 503 to GET /v2/team/shop/manifests/1: UNAVAILABLE come back later"
    assert caught.value.message == said


def test_forbidden() -> None:
    """A refusal for good is not tried again."""
    with serving(lambda *_: (403, {}, b"")) as server, pytest.raises(RegistryError, match="answered 403") as caught:
        Registry(server.ref, backoff=Backoff(sleep=lambda _: None)).manifest("1")
    assert len(server.seen) == 1
    assert caught.value.hint == f"log in as a user who may do this: docker login localhost:{server.port}"


def test_nothing_listens() -> None:
    """A registry that is not there is named with the system's reason."""
    with serving(lambda *_: (404, {}, b"")) as server:
        pass
    with pytest.raises(RegistryError, match="Connection refused"):
        Registry(server.ref, backoff=Backoff(attempts=1)).manifest("1")


def test_other_bytes_under_a_digest() -> None:
    """A registry that serves something else is not believed."""
    with serving(lambda *_: (200, {"Content-Type": "x"}, b"other")) as server:
        registry = Registry(server.ref)
        with pytest.raises(RegistryError, match=f"serves other bytes under sha256:{MISSING}"):
            registry.manifest(f"sha256:{MISSING}")
