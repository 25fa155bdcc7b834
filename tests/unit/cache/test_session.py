from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.recording import RecordingRunner

from estiba.cache import push, service, session
from estiba.cache.address import Address
from estiba.cache.service import Service
from estiba.errors import CacheError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from estiba.cache.session import SessionPlan
    from estiba.process import Completed

WORD, PAIR = "/nix/store/wd0ys9snp82b5v5j4pgp5wfhnfjhl2vm-word", "/nix/store/zil1z8fyrc7mlj7dd23lwp4mnywijbwh-pair"
KEY = "team-1:9tmfUiytADPurhDpm7wwN7hux8pNJCWLlSgYBo9B1go="
LISTED = json.dumps({path: {"narHash": f"sha256-{path[-1]}", "narSize": 100} for path in (WORD, PAIR)})


class Scripted(ThreadingHTTPServer):
    """Answers from a list, and notes what it was asked; it says what the cache service says."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: list[tuple[int, str]] = []
        self.asked: list[tuple[str, str, str, bytes]] = []

    @property
    def address(self) -> Address:
        """Its address, with the name of a cache."""
        return Address.parse(f"http://127.0.0.1:{self.server_port}/team")


class Handler(BaseHTTPRequestHandler):
    """Answers the next thing of the list."""

    server: Scripted

    def answer(self) -> None:
        """Note the request, and answer."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked.append((self.command, self.path, self.headers.get("Authorization", ""), body))
        status, text = self.server.answers.pop(0)
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815 - as inherited

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as inherited
        """Say nothing."""
        del format, args


@pytest.fixture
def server() -> Iterator[Scripted]:
    """Run it."""
    with Scripted() as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def token(tmp_path: Path) -> RecordingRunner:
    """Return a Nix whose settings name a netrc file with a token."""
    file = tmp_path / "netrc"
    file.write_text("machine other.example login me password no\nmachine 127.0.0.1 login ci password cache_x\n")
    return RecordingRunner(f"{file}\n")


def begun(*missing: str) -> tuple[int, str]:
    """Return the answer to a question."""
    names = [Path(path).name for path in missing]
    return 201, json.dumps({"session": "7", "missing": names, "public_keys": [KEY]})


class Nix(RecordingRunner):
    """Copies into a folder as Nix does: an archive and a record for each path."""

    def __init__(self) -> None:
        super().__init__()
        self.stubs: dict[str, str] = {}

    def __call__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdin: str | None = None,
        check: bool = True,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        """Copy."""
        folder = Path(argv[3].removeprefix("file://").partition("?")[0])
        self.stubs = {file.name: file.read_text() for file in folder.iterdir()}
        (folder / "nar").mkdir()
        for path in (stdin or "").split("\n"):
            name = Path(path).name
            (folder / f"nar/{name}.zst").write_text(f"archive of {name}")
            (folder / f"{name[:32]}.narinfo").write_text(f"StorePath: {path}\nURL: nar/{name}.zst\n")
        return super().__call__(argv, env=env, cwd=cwd, stdin=stdin, check=check, on_line=on_line)


def test_token_comes_from_the_file_that_nix_reads(server: Scripted, token: RecordingRunner) -> None:
    """A token is shown to its host alone, and a service is known by a line that Nix ignores."""
    server.answers = [(200, "StoreDir: /nix/store\nPushSessions: 1\n")]

    assert service.find(server.address, runner=token)
    assert token.calls == [["nix", "config", "show", "netrc-file"]]
    assert server.asked == [("GET", "/team/nix-cache-info", "Basic Y2k6Y2FjaGVfeA==", b"")]


@pytest.mark.parametrize(
    "answer", [(200, "StoreDir: /nix/store\n"), (404, ""), (500, "PushSessions: 1\n")], ids=["plain", "none", "broken"]
)
def test_other_caches_are_left_to_nix(server: Scripted, answer: tuple[int, str]) -> None:
    """Without the line a cache is not one of the service, and without a token nothing is shown."""
    server.answers = [answer]

    assert service.find(server.address, runner=RecordingRunner("/nowhere/netrc\n")) is None
    assert server.asked[0][2] == ""


def test_folders_and_silence_are_left_to_nix(tmp_path: Path) -> None:
    """Nix knows best what is wrong with an address where nobody answers."""
    assert service.find(Address.parse(str(tmp_path))) is None
    assert service.find(Address.parse("http://127.0.0.1:9"), runner=RecordingRunner("")) is None


def test_private_cache_asks_for_a_token(server: Scripted) -> None:
    """The error says where Nix looks for one."""
    server.answers = [(401, "show a valid token\n")]

    with pytest.raises(CacheError, match="HTTP error 401: show a valid token") as caught:
        service.find(server.address, runner=RecordingRunner(""))

    assert "machine 127.0.0.1 login token password TOKEN" in caught.value.hint


def test_broken_netrc_is_an_error(tmp_path: Path) -> None:
    """A file that cannot be read is named, and not quoted."""
    file = tmp_path / "netrc"
    file.write_text("machine x password secret oops\n")

    with pytest.raises(CacheError, match=f"cannot read {file}: ") as caught:
        service.find(Address.parse("http://127.0.0.1:9"), runner=RecordingRunner(str(file)))

    assert "secret" not in str(caught.value)


def plan(server: Scripted, *missing: str) -> SessionPlan:
    """Plan a push of two paths."""
    server.answers = [begun(*missing)]
    client = Service(server.address, None, sleep=lambda _: None)
    return session.plan(client, push.read_closure([PAIR], runner=RecordingRunner(LISTED)))


def test_plan_is_one_question(server: Scripted) -> None:
    """All hashes are in it; the answer says what is missing, and who signs."""
    wanted = plan(server, PAIR)

    assert json.loads(server.asked[0][3]) == {"paths": {WORD[11:]: "sha256-d", PAIR[11:]: "sha256-r"}}
    assert wanted.to_dict() == {
        "paths": [PAIR],
        "present": 1,
        "public_key": KEY,
        "repaired": [],
        "signed": [],
        "size": 100,
        "url": server.address.url,
    }


def test_push_sends_archives_and_publishes_once(server: Scripted) -> None:
    """Nix packs what is missing beside stubs of what is there; all narinfos go in one request, after the archives."""
    wanted, nix = plan(server, PAIR), Nix()
    server.answers = [(503, ""), (201, ""), (201, "")]
    advanced: list[int] = []

    session.push(wanted, advance=advanced.append, runner=nix)

    name = PAIR[11:]
    assert [asked[:2] for asked in server.asked[1:]] == [
        ("PUT", f"/team/nar/{name}.zst"),
        ("PUT", f"/team/nar/{name}.zst"),
        ("POST", "/team/api/sessions/7"),
    ]
    assert [asked[3] for asked in server.asked[1:3]] == [f"archive of {name}".encode()] * 2
    assert json.loads(server.asked[3][3]) == {"narinfos": [f"StorePath: {PAIR}\nURL: nar/{name}.zst\n"]}
    assert advanced == [100]
    assert nix.stubs[f"{WORD[11:43]}.narinfo"].startswith(f"StorePath: {WORD}\n")
    assert nix.calls[0][4:] == ["--log-format", "internal-json", "--option", "download-attempts", "1", "--stdin"]
    assert nix.calls[0][3].endswith("?compression=zstd")
    assert not Path(nix.calls[0][3].removeprefix("file://").partition("?")[0]).exists()


def test_large_archive_is_sent_from_where_it_was_cut_off(
    server: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In parts, of which one that fails is sent again."""
    monkeypatch.setattr(service, "_PART", 4)
    file = tmp_path / "nar"
    file.write_bytes(b"0123456789")
    whole, half = json.dumps({"received": 10, "whole": True}), json.dumps({"received": 7, "whole": False})
    server.answers = [(200, json.dumps({"received": 3, "whole": False})), (503, ""), (200, half), (201, whole)]

    Service(server.address, None, sleep=lambda _: None).send("nar/0.nar.zst", file)

    asked = [(method, path, body) for method, path, _, body in server.asked]
    place = "/team/api/uploads/0.nar.zst"
    assert asked[0] == ("GET", place, b"")
    assert asked[1:] == [("PATCH", place, part) for part in (b"3456", b"3456", b"789")]
    server.answers = [(200, whole)]
    Service(server.address, None).send("nar/0.nar.zst", file)
    assert len(server.asked) == 5


def test_complete_cache_gets_nothing(server: Scripted) -> None:
    """A push of what is there ends with the question."""
    session.push(plan(server), advance=lambda _: None, runner=RecordingRunner())

    assert len(server.asked) == 1


@pytest.mark.parametrize(("answer", "tries"), [((422, "the NAR is wrong\n"), 1), ((503, "too busy\n"), 5)])
def test_refusal_is_told(server: Scripted, answer: tuple[int, str], tries: int) -> None:
    """What the service says is the error; what may pass is tried again before."""
    wanted = plan(server, PAIR)
    server.answers = [answer] * tries

    with pytest.raises(CacheError, match=f"HTTP error {answer[0]}: {answer[1].strip()}"):
        session.push(wanted, advance=lambda _: None, runner=Nix())

    assert len(server.asked) == 1 + tries


def test_path_that_cannot_be_packed_is_an_error(server: Scripted) -> None:
    """Nothing is published then."""
    wanted = plan(server, PAIR)
    code: Any = 1

    with pytest.raises(CacheError, match="cannot pack what is pushed to"):
        session.push(wanted, advance=lambda _: None, runner=RecordingRunner(code))

    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("ask", "answer", "asked"),
    [
        (
            lambda client: client.pin("a/b 1", PAIR, keep=3),
            {"name": "a/b 1", "paths": [PAIR[11:]]},
            ("PUT", "pins/a/b%201", {"path": PAIR[11:], "keep": 3}, [PAIR[11:]]),
        ),
        (lambda client: client.unpin("a"), {"name": "a", "removed": 2}, ("DELETE", "pins/a", None, 2)),
        (lambda client: client.read_figures(), {"paths": 7}, ("GET", "figures", None, {"paths": 7})),
        (lambda client: client.read_pins(), {"pins": [{"name": "a"}]}, ("GET", "pins", None, [{"name": "a"}])),
        (lambda client: client.explain(PAIR), {"reason": "pin a"}, ("GET", f"reasons/{PAIR[11:43]}", None, "pin a")),
        (
            lambda client: client.collect(dry_run=True),
            {"kept": 1},
            ("POST", "collections", {"dry_run": True}, {"kept": 1}),
        ),
        (
            lambda client: client.create_token("ci", ["push"], days=30),
            {"token": "cache_x"},
            ("POST", "tokens", {"name": "ci", "scopes": ["push"], "days": 30}, "cache_x"),
        ),
        (
            lambda client: client.create_token("ci", ["push"], days=0),
            {"token": "cache_x"},
            ("POST", "tokens", {"name": "ci", "scopes": ["push"]}, "cache_x"),
        ),
    ],
    ids=["pin", "unpin", "figures", "pins", "reason", "collection", "token", "lasting-token"],
)
def test_operators_ask_what_the_service_answers(
    server: Scripted,
    ask: Callable[[Service], object],
    answer: dict[str, object],
    asked: tuple[str, str, object, object],
) -> None:
    """Each question is one request below the address of the cache."""
    server.answers = [(200, json.dumps(answer))]

    found = ask(Service(server.address, None, sleep=lambda _: None))

    ((method, path, _, body),) = server.asked
    assert (method, path, json.loads(body) if body else None, found) == (asked[0], f"/team/api/{asked[1]}", *asked[2:])


def test_plain_cache_has_no_pins(tmp_path: Path) -> None:
    """What only the service can do is refused for other caches."""
    with pytest.raises(CacheError, match=f"there is no cache service at file://{tmp_path}"):
        service.connect(Address.parse(str(tmp_path)))


def test_deletion_is_one_question_whose_refusal_is_told(server: Scripted) -> None:
    """The path goes by its base name; a refusal ends it, with the reason that the service gives."""
    client = Service(server.address, None, sleep=lambda _: None)
    server.answers = [(200, json.dumps({"path": PAIR[11:], "size": 100})), (409, "it is pinned as release-1\n")]

    assert client.delete(PAIR, dry_run=True) == {"path": PAIR[11:], "size": 100}
    with pytest.raises(CacheError, match="refuses: HTTP error 409: it is pinned as release-1"):
        client.delete(PAIR, dry_run=False)

    assert [(method, place, json.loads(body)) for method, place, _, body in server.asked] == [
        ("POST", "/team/api/deletions", {"path": PAIR[11:], "dry_run": is_trial}) for is_trial in (True, False)
    ]


def test_check_is_asked_for_in_steps_and_summed_up(server: Scripted) -> None:
    """Each step begins after the NAR that the former one ended with, until one was the last."""
    client = Service(server.address, None, sleep=lambda _: None)
    lost = {"path": PAIR[11:], "reason": "its NAR is lost"}
    server.answers = [
        (200, json.dumps({"damaged": [lost], "last": 7, "removed": 0, "written": 2})),
        (200, json.dumps({"damaged": [], "last": 0, "removed": 1, "written": 1})),
    ]

    assert client.check(read=True, repair=False) == {"damaged": [lost], "removed": 1, "written": 3}
    assert [(method, place, json.loads(body)) for method, place, _, body in server.asked] == [
        ("POST", "/team/api/checks", {"read": True, "repair": False, "after": after}) for after in (0, 7)
    ]
