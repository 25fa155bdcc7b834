"""The cache service behind nginx, with the real Nix as its client."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from tests.services import cache_service, harbour, ports
from tests.services.stores import built_in, discard

from estiba import config
from estiba.nix import commands as nix

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.services.cache_service import CacheService

PAIR: Final = Path(__file__).parents[2] / "fixtures" / "nix" / "pair.nix"
BIG: Final = 3 << 20
PART: Final = 64 << 20
LARGE: Final = 2 * PART + BIG
_REVOKE: Final = """
from django.utils import timezone
from caches.models import Token

Token.objects.filter(cache__name="revoked", name="read").update(revoked_at=timezone.now())
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CacheService]:
    """Deploy the service."""
    with cache_service.deployed(tmp_path_factory.mktemp("cache")) as running:
        yield running


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return what makes this machine another one, which has asked no cache yet: Nix remembers what it was told."""

    def leave() -> None:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / f"memory-{uuid.uuid4()}"))

    leave()
    return leave


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Path]:
    """Return the folder of an empty store."""
    yield tmp_path / "store"
    discard(tmp_path / "store")


def netrc(folder: Path, token: str) -> tuple[str, ...]:
    """Return the options that make Nix show a token to this machine."""
    file = folder / f"netrc-{uuid.uuid4()}"
    file.write_text(f"machine 127.0.0.1 login anybody password {token}\n")
    file.chmod(0o600)
    return ("--option", "netrc-file", str(file))


def run(*words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run Nix."""
    done = subprocess.run(["nix", *words], env=config.load().environment(), capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, done.stderr
    return done


def make(text: str, *options: str) -> str:
    """Build a small store path that refers to another one."""
    return str(nix.build("pair", options=["--file", str(PAIR), "--argstr", "text", text, *options]))


def take(url: str, key: str, store: Path) -> tuple[str, ...]:
    """Return the options that make Nix build in a store of its own, and take what it can from one cache."""
    chosen = {"substituters": url, "trusted-public-keys": key, "fallback": "true"}
    return ("--store", str(store), *(word for name, value in chosen.items() for word in ("--option", name, value)))


def ask(url: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Ask as anybody does."""
    try:
        asked = urllib.request.Request(url, headers=headers)  # noqa: S310 - the service's
        with urllib.request.urlopen(asked, timeout=30) as answer:  # noqa: S310 - as above
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers), error.read()


def test_its_own_tests_pass(service: CacheService) -> None:
    """Estiba checks the service like any other, with PostgreSQL in the sandbox."""
    found = json.loads(harbour.invoke(service.folder, "check", "--json").stdout)

    assert (found["passed"], found["tests"]["skipped"]) == (True, 0)


def test_plain_nix_pushes_and_another_machine_takes(
    service: CacheService, tmp_path: Path, store: Path, elsewhere: Callable[[], None]
) -> None:
    """`nix copy --to` sends a closure with a token, and a machine that trusts the cache's key builds nothing of it."""
    key = service.manage("create_cache", "public", "--public")
    token = service.manage("create_token", "public", "ci", "--scope", "push")
    text = str(uuid.uuid4())
    path, url = make(text), f"{service.url}/public"

    run("copy", "--to", f"{url}?compression=zstd&write-nar-listing=true", path, *netrc(tmp_path, token))
    elsewhere()

    assert make(text, *take(url, key, store)) == path
    assert built_in(store) == []
    run("store", "verify", "--store", url, "--recursive", "--option", "trusted-public-keys", key, path)
    listing = json.loads(run("store", "ls", "--json", "--store", url, path).stdout)
    assert listing["type"] in {"regular", "directory"}
    assert service.manage("collect", "--why", path).startswith("public: pushed, kept until ")
    assert token not in service.logs
    assert '"PUT"' in service.logs


def test_private_cache_is_for_those_with_a_token(
    service: CacheService, tmp_path: Path, store: Path, elsewhere: Callable[[], None]
) -> None:
    """Without a token Nix finds no cache and builds; with one in its netrc file it takes."""
    key, writer, reader = (service.made["private"][name] for name in ("key", "push", "read"))
    text = str(uuid.uuid4())
    path, url = make(text), f"{service.url}/private"

    run("copy", "--to", f"{url}?compression=xz", path, *netrc(tmp_path, writer))
    elsewhere()

    refused = run("copy", "--to", url, make(str(uuid.uuid4())), *netrc(tmp_path, reader), check=False)
    assert "scope 'push'" in refused.stderr
    # Nix before 2.35 takes it for a path that is missing.
    assert ask(f"{url}/nix-cache-info")[0] == 401
    assert "is not valid" in run("path-info", "--store", url, path, check=False).stderr
    elsewhere()
    assert make(text, *take(url, key, store), *netrc(tmp_path, reader)) == path
    assert built_in(store) == []


def test_what_is_published_stays(service: CacheService, tmp_path: Path) -> None:
    """A push whose NAR is not what its narinfo says changes nothing, and Nix says why."""
    token = service.made["strict"]["push"]
    text = str(uuid.uuid4())
    path, url = make(text), f"{service.url}/strict"
    folder = tmp_path / "copied"
    run("copy", "--to", f"file://{folder}?compression=none", path)
    for file in folder.glob("nar/*.nar"):
        # As a disk that loses bits; Nix itself looks at no hash while it copies.
        file.write_bytes(file.read_bytes().replace(text.encode(), text[::-1].encode()))

    done = run(
        "copy", "--from", f"file://{folder}", "--to", url, "--no-check-sigs", path, *netrc(tmp_path, token), check=False
    )

    assert done.returncode != 0
    assert "422" in done.stderr
    assert ask(f"{url}/{Path(path).name[:32]}.narinfo")[0] == 404


def test_nginx_sends_the_bytes(service: CacheService, tmp_path: Path) -> None:
    """A NAR comes from nginx, with ranges; its folder is nobody's to ask, and links in it lead nowhere."""
    token = service.made["files"]["push"]
    big = tmp_path / "big"
    big.write_bytes(uuid.uuid4().bytes * (BIG // 16))
    path = run("store", "add", str(big)).stdout.strip()
    run("copy", "--to", f"{service.url}/files?compression=none", path, *netrc(tmp_path, token))
    _, _, narinfo = ask(f"{service.url}/files/{Path(path).name[:32]}.narinfo")
    url = dict(line.split(": ", 1) for line in narinfo.decode().splitlines())["URL"]
    address = f"{service.url}/files/{url}"

    status, headers, data = ask(address)
    part = ask(address, Range="bytes=1000-1999")

    assert (status, len(data), headers["Content-Type"]) == (
        200,
        int(headers["Content-Length"]),
        "application/x-nix-nar",
    )
    assert (headers["Accept-Ranges"], headers["Cache-Control"]) == ("bytes", "public, max-age=31536000, immutable")
    assert (part[0], part[2]) == (206, data[1000:2000])
    assert ask(address, Range=f"bytes={len(data)}-")[0] == 416
    files = [one for one in service.data.rglob("*.nar") if one.stat().st_size == len(data)]
    assert len(files) == 2
    for file in files:
        assert ask(f"{service.url}/internal/{file.relative_to(service.data)}")[0] == 404
        file.rename(file.with_suffix(".moved"))
        file.symlink_to(file.with_suffix(".moved").name)
    assert ask(address)[0] in {403, 404}
    assert ask(address, Authorization=f"Bearer {token}")[0] in {403, 404}
    # Nor does nginx answer by itself where a folder was replaced.
    file = next(one for one in (service.data / "public/files").glob("*.narinfo"))
    file.parent.rename(file.parents[1] / "elsewhere")
    file.parent.symlink_to("elsewhere")
    assert not is_by_nginx(f"{service.url}/files/{file.name}")
    assert is_by_nginx(f"{service.url}/elsewhere/{file.name}")


def is_by_nginx(url: str, token: str = "") -> bool:
    """Tell whether nginx answers without the service, which says of which release it is."""
    status, headers, _ = ask(url, **({"Authorization": f"Bearer {token}"} if token else {}))
    assert status == 200
    assert headers["Cache-Control"].startswith(("public, ", "private, "))
    return "X-Release" not in headers


def test_no_byte_passes_through_python(service: CacheService, tmp_path: Path) -> None:
    """Nginx sends narinfos and NARs by itself, those of a private cache to readers; pushers get a promise."""
    for name in ("open", "private"):
        made = service.made[name]
        path, url = make(str(uuid.uuid4())), f"{service.url}/{name}"
        run("copy", "--to", url, path, *netrc(tmp_path, made["push"]))
        narinfo = f"{url}/{Path(path).name[:32]}.narinfo"
        status, headers, data = ask(narinfo, Authorization=f"Bearer {made['read']}")
        nar = f"{url}/{dict(line.split(': ', 1) for line in data.decode().splitlines())['URL']}"

        assert (status, headers["Content-Type"]) == (200, "text/x-nix-narinfo")
        assert ask(narinfo, Authorization=f"Bearer {made['read']}", **{"If-None-Match": headers["ETag"]})[0] == 304
        assert not is_by_nginx(narinfo, made["push"])
        for address in (narinfo, nar):
            assert is_by_nginx(address, made["read"])
            if name == "open":
                assert is_by_nginx(address)
                assert is_by_nginx(address, service.made["private"]["read"])
            else:
                assert ask(address)[0] == 401
                assert ask(address, Authorization=f"Bearer {service.made['open']['read']}")[0] == 403


def test_revoked_token_ends_within_a_second(service: CacheService, tmp_path: Path) -> None:
    """What nginx remembers of a right ends with the second; without the service nobody is let in."""
    made, url = service.made["revoked"], f"{service.url}/revoked"
    path = make(str(uuid.uuid4()))
    run("copy", "--to", url, path, *netrc(tmp_path, made["push"]))
    narinfo = f"{url}/{Path(path).name[:32]}.narinfo"
    shown = {"Authorization": f"Bearer {made['read']}"}
    assert ask(narinfo, **shown)[0] == 200
    service.manage("shell", "-c", _REVOKE)
    time.sleep(1)

    assert ask(narinfo, **shown)[0] == 401

    service.kill_web()
    assert ask(narinfo, Authorization=f"Bearer {made['admin']}")[0] in {401, 502, 504}
    ports.wait_until(lambda: ask(f"{service.url}/readyz")[0] == 200)


def test_folder_that_is_not_kept_is_refused(service: CacheService) -> None:
    """Nginx sends from folders of data alone; another one is refused before anything changes."""
    pyproject = service.folder / "pyproject.toml"
    text = pyproject.read_text()
    pyproject.write_text(text.replace('"/internal/" = "data"', '"/internal/" = "other"'))
    try:
        done = harbour.invoke(service.folder, "deploy", check=False)
    finally:
        pyproject.write_text(text)

    assert done.returncode == 78
    assert "'internal' has '/app/other', which is not in 'persist' of [tool.estiba]" in done.stderr
    assert ask(f"{service.url}/readyz")[0] == 200


def count_requests(service: CacheService, cache: str, **wanted: object) -> int:
    """Return how many requests nginx has had for a cache, with some values of its log."""
    lines = [json.loads(line) for line in re.findall(r'\{"time":.*\}', service.logs)]
    return sum(line["uri"].startswith(f"/{cache}/") and wanted.items() <= line.items() for line in lines)


def test_a_push_is_one_question_and_one_publication(
    service: CacheService, tmp_path: Path, store: Path, elsewhere: Callable[[], None]
) -> None:
    """`invoke cache.push` needs no key where the service signs, sends only what is missing, and asks once."""
    key, token = service.made["sessions"]["key"], service.made["sessions"]["push"]
    text, url = str(uuid.uuid4()), f"{service.url}/sessions"
    path = make(text)
    where = f"netrc-file = {netrc(tmp_path, token)[-1]}"

    def push(*words: str) -> tuple[dict[str, Any], int]:
        before = count_requests(service, "sessions")
        argv = ("cache.push", url, "--path", path, "--json", *words)
        done = harbour.invoke(service.folder, *argv, NIX_CONFIG=where, ESTIBA_CACHE_KEY=str(tmp_path / "none"))
        return json.loads(done.stdout), count_requests(service, "sessions") - before

    trial, first, again = push("--dry-run"), push(), push()

    assert [len(said["paths"]) for said, _ in (trial, first, again)] == [2, 2, 0]
    assert (again[0]["present"], again[0]["public_key"]) == (2, key)
    # What a cache it is, the question, two NARs, the publication; then the first two of them.
    assert [count for _, count in (first, again)] == [5, 2]
    elsewhere()
    assert make(text, *take(url, key, store), *netrc(tmp_path, token)) == path
    assert built_in(store) == []
    assert token not in service.logs


def test_killed_push_goes_on_where_it_was(
    service: CacheService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a large NAR, which is sent in parts, the next push sends what has not arrived."""
    token, url = service.made["parts"]["push"], f"{service.url}/parts"
    big = tmp_path / "big"
    big.write_bytes(os.urandom(LARGE))
    path = run("store", "add", str(big)).stdout.strip()
    pid, where = tmp_path / "pid", f"netrc-file = {netrc(tmp_path, token)[-1]}"
    # A killed client leaves its folder.
    monkeypatch.setenv("TMPDIR", str(tmp_path))

    def push(*inside: str, check: bool = True) -> None:
        harbour.invoke(service.folder, "cache.push", url, "--path", path, check=check, inside=inside, NIX_CONFIG=where)

    def has_a_part() -> bool:
        return any(file.stat().st_size >= PART for file in service.data.glob("drafts/*"))

    first = threading.Thread(
        target=push, args=("sh", "-c", f'echo $$ > {pid}; exec "$@"', "sh"), kwargs={"check": False}
    )
    first.start()
    ports.wait_until(has_a_part)
    os.kill(int(pid.read_text()), signal.SIGKILL)
    first.join()
    push()

    # Three are all of it, of which the first push has sent one.
    assert count_requests(service, "parts", method="PATCH", status=200) <= 3
    assert run("path-info", "--store", url, path, *netrc(tmp_path, token)).stdout.strip() == path


def test_push_without_a_token_says_what_to_do(service: CacheService) -> None:
    """Whoever has no token learns where Nix looks for it."""
    done = harbour.invoke(service.folder, "cache.push", f"{service.url}/nothing", "--path", make("word"), check=False)

    assert done.returncode == 16
    assert "HTTP error 401: show a valid token" in done.stderr
    assert "machine 127.0.0.1 login token password TOKEN" in done.stderr


def test_operators_need_no_access_to_the_machine(service: CacheService, tmp_path: Path) -> None:
    """With a token of the owner, tokens, pins, reasons and figures are a matter of commands against the address."""
    owner = service.made["operated"]["admin"]
    path, url = make(str(uuid.uuid4())), f"{service.url}/operated"

    def invoke(command: str, *words: str, token: str = owner) -> Any:  # noqa: ANN401 - any JSON
        where = f"netrc-file = {netrc(tmp_path, token)[-1]}"
        return json.loads(harbour.invoke(service.folder, command, url, *words, "--json", NIX_CONFIG=where).stdout)

    writer = invoke("cache.token", "ci", "--scopes", "push,pin")["token"]
    invoke("cache.push", "--path", path, token=writer)

    assert invoke("cache.pin", "release-1", "--path", path, token=writer)["paths"] == [Path(path).name]
    assert invoke("cache.gc", "--why", path)["reason"] == f"pin release-1 → {Path(path).name}"
    assert invoke("cache.gc", "--dry-run")["kept"] == 2
    figures = invoke("cache.stats")
    assert (figures["paths"], [one["name"] for one in figures["pinned"]]) == (2, ["release-1"])
    whole = {"damaged": [], "removed": 0, "written": 0}
    assert (invoke("cache.fsck", "--read"), invoke("cache.repair")) == (whole, whole)
    assert invoke("cache.unpin", "release-1")["removed"] == 1
    where = f"netrc-file = {netrc(tmp_path, owner)[-1]}"
    words = ("cache.delete", url, path, "--dry-run")
    refused = harbour.invoke(service.folder, *words, check=False, NIX_CONFIG=where)
    assert refused.returncode == 16
    assert f"{Path(path).name} is needed: a push counts on it until " in refused.stderr


def test_killed_service_keeps_its_promises(service: CacheService, tmp_path: Path) -> None:
    """After `kill -9` in the middle of an upload nothing of it is visible, and the next push succeeds."""
    token = service.made["killed"]["push"]
    path, url = make(str(uuid.uuid4())), f"{service.url}/killed"
    head = f"PUT /killed/nar/{'0' * 52}.nar HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
    with socket.create_connection(("127.0.0.1", service.port)) as sender:
        sender.sendall(f"{head}Content-Length: {BIG}\r\n\r\n".encode() + bytes(BIG // 2))
        ports.wait_until(lambda: any(service.data.glob("drafts/*")))
        service.kill_web()
        assert b" 50" in sender.recv(100)

    ports.wait_until(lambda: ask(f"{service.url}/readyz")[0] == 200)
    run("copy", "--to", url, path, *netrc(tmp_path, token))

    run("store", "verify", "--store", url, "--recursive", "--no-trust", path)
    assert list((service.data / "nar").rglob("*-0000*")) == []
