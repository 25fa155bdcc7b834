"""Binary caches with the real Nix: second stores that are empty, folders, HTTP servers, and what can go wrong."""

from __future__ import annotations

import contextlib
import shutil
import socket
import time
import uuid
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
import zstandard
from tests.services import caches, ports
from tests.services.stores import built_in, discard

from estiba.cache import contents, keys, push, settings
from estiba.cache.address import Address
from estiba.errors import CacheError
from estiba.nix import commands as nix
from estiba.nix import substituters
from estiba.nix.log import BuildLog
from estiba.process import run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from estiba.cache.keys import SigningKey

SILENCE: Final = 15
"""How many seconds a cache that says nothing may cost a build."""

PAIR: Final = Path(__file__).parents[2] / "fixtures" / "nix" / "pair.nix"


@pytest.fixture(autouse=True)
def _own_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what Nix remembers of caches apart, as each test starts with another one at a similar address."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "memory"))


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    """Make a key."""
    return keys.generate("tests-1", tmp_path / "keys" / "tests.key")


@pytest.fixture
def folder(tmp_path: Path) -> Address:
    """Return the address of a cache in a folder that does not exist yet."""
    return Address.parse(str(tmp_path / "cache"))


@pytest.fixture
def empty_store(tmp_path: Path) -> Iterator[Path]:
    """Return the folder of an empty store."""
    store = tmp_path / "store"
    yield store
    discard(store)


def make(attribute: str, text: str, *, options: tuple[str, ...] = (), log: BuildLog | None = None) -> str:
    """Build a small store path."""
    words = [attribute, "--file", str(PAIR), "--argstr", "text", text, "--log-format", "internal-json", "-v", *options]
    return str(nix.build(words[0], options=words[1:], on_line=log.feed if log else None))


def send(address: Address, path: str, key: SigningKey) -> push.PushPlan:
    """Push a store path."""
    wanted = push.plan(address, [path], key=key)
    push.push(wanted, advance=lambda _: None)
    return wanted


def take(address: Address, key: SigningKey, store: Path) -> tuple[str, ...]:
    """Return the options that make Nix build in a store of its own, and take from one cache as `cache.use` has it."""
    lines = settings.Settings(caches=()).add(address, key.public).block().splitlines()
    chosen = [word for line in lines for word in ("--option", *line.split(" = "))]
    return ("--store", str(store), "--option", "substituters", "", *chosen)


def test_server_gets_archives_before_records(key: SigningKey, tmp_path: Path, empty_store: Path) -> None:
    """Over HTTP each archive arrives before its record, references first, and nothing is sent twice."""
    text = str(uuid.uuid4())
    path = make("pair", text)
    with caches.run(tmp_path / "served") as server:
        address = Address.parse(server.url)
        first = send(address, path, key)
        sent = [name for name in server.puts() if name != "/nix-cache-info"]
        second = send(address, path, key)
        again = [name for name in server.puts() if name != "/nix-cache-info"][len(sent) :]
        taken = make("pair", text, options=take(address, key, empty_store))

    assert [Path(name).suffix for name in sent] == [".zst", ".narinfo", ".zst", ".narinfo"]
    assert sent[-1] == f"/{first.wanted[-1].hash_part}.narinfo" or first.wanted[-1].path != path
    assert (len(first.wanted), len(second.wanted), again) == (2, 0, [])
    assert (taken, built_in(empty_store)) == (path, [])


def test_server_that_stumbles_is_tried_again(key: SigningKey, tmp_path: Path) -> None:
    """Uploads that fail for a moment are repeated."""
    path = make("pair", str(uuid.uuid4()))
    with caches.run(tmp_path / "served") as server:
        address = Address.parse(server.url)
        send(address, make("word", "first"), key)
        server.failures = 2

        send(address, path, key)

        assert not contents.read(address, [path], public_key=str(key.public), thorough=True).missing


def test_server_that_refuses_is_named(key: SigningKey, tmp_path: Path) -> None:
    """A server that does not let this user write is an error with its address and answer."""
    path = make("pair", str(uuid.uuid4()))
    with caches.run(tmp_path / "served") as server:
        (tmp_path / "served" / "nix-cache-info").write_text("StoreDir: /nix/store\n")
        server.failures, server.failure = 99, HTTPStatus.FORBIDDEN

        with pytest.raises(CacheError, match=rf"cannot push to {server.url}: .*403") as caught:
            send(Address.parse(server.url), path, key)

    assert "run the command again" in caught.value.hint


def test_push_to_nobody_is_an_error(key: SigningKey) -> None:
    """A server that is not there is named, with the reason."""
    address = Address.parse(f"http://127.0.0.1:{ports.find_free()}")

    with pytest.raises(CacheError, match=rf"the cache at {address} cannot be used: .*[Cc]onnect"):
        send(address, make("pair", "nobody"), key)


def test_build_goes_on_without_a_cache(key: SigningKey, empty_store: Path) -> None:
    """A cache that is down is warned about, and what it could have given is built."""
    text = str(uuid.uuid4())
    address = Address.parse(f"http://127.0.0.1:{ports.find_free()}")
    log = BuildLog()

    make("pair", text, options=take(address, key, empty_store), log=log)

    assert substituters.explain_failures(log) == [f"the cache at {address} does not answer; went on without it"]
    assert built_in(empty_store) == ["pair", "word"]


def test_build_goes_on_when_a_cache_goes_away(key: SigningKey, tmp_path: Path, empty_store: Path) -> None:
    """A cache that Nix remembers, and that is down now, is warned about too."""
    text = str(uuid.uuid4())
    path = make("pair", text)
    with caches.run(tmp_path / "served") as server:
        address = Address.parse(server.url)
        send(address, path, key)
        make("word", text, options=take(address, key, empty_store))
        contents.read(address, [path])
    log = BuildLog()

    make("pair", text, options=take(address, key, empty_store), log=log)

    assert f"the cache at {address} does not answer; went on without it" in substituters.explain_failures(log)
    assert built_in(empty_store) == ["pair"]


@pytest.mark.parametrize("silent", ["nix-cache-info", "/nar/"], ids=["from the start", "inside archives"])
def test_build_waits_a_little_for_a_silent_cache(
    silent: str, key: SigningKey, tmp_path: Path, empty_store: Path
) -> None:
    """A cache that takes a request and sends nothing costs at most 15 s; it is warned about, and the build goes on."""
    text = str(uuid.uuid4())
    path = make("pair", text)
    log = BuildLog()
    with caches.run(tmp_path / "served") as server:
        address = Address.parse(server.url)
        send(address, path, key)
        server.silent, server.half = silent, silent == "/nar/"
        shutil.rmtree(tmp_path / "memory")
        options = take(address, key, empty_store)
        started = time.monotonic()
        make("pair", text, options=options, log=log)
        took = time.monotonic() - started

    assert substituters.explain_failures(log) == [f"the cache at {address} does not answer; went on without it"]
    assert "pair" in built_in(empty_store)
    assert took < SILENCE


def test_build_waits_a_little_for_a_cache_that_cannot_be_reached(key: SigningKey, empty_store: Path) -> None:
    """Where packets get lost, as behind a firewall, the wait is as short."""
    log = BuildLog()
    with socket.create_server(("127.0.0.1", 0), backlog=0) as deaf, contextlib.ExitStack() as queue:
        # The queue of those who want to be accepted is full: the kernel drops what others send.
        for _ in range(2):
            waiting = queue.enter_context(socket.socket())
            waiting.settimeout(0)
            waiting.connect_ex(deaf.getsockname())
        address = Address.parse(f"http://127.0.0.1:{deaf.getsockname()[1]}")
        started = time.monotonic()
        make("pair", str(uuid.uuid4()), options=take(address, key, empty_store), log=log)
        took = time.monotonic() - started

    assert substituters.explain_failures(log) == [f"the cache at {address} does not answer; went on without it"]
    assert took < SILENCE


@pytest.mark.parametrize("damage", ["flipped", "cut", "emptied", "removed", "replaced"])
def test_damaged_archive_is_never_used(damage: str, key: SigningKey, folder: Address, empty_store: Path) -> None:
    """Whatever happens to an archive, the store gets what was signed, and the cache is named."""
    text = str(uuid.uuid4())
    path = make("pair", text)
    send(folder, path, key)
    spoil(folder, path, damage)
    log = BuildLog()

    taken = make("pair", text, options=take(folder, key, empty_store), log=log)

    assert (empty_store / taken.removeprefix("/")).read_bytes() == Path(path).read_bytes()
    assert "pair" in built_in(empty_store)
    (told,) = substituters.explain_failures(log)
    assert told.startswith(f"the cache at {folder} is damaged; refused what it sent: ")
    assert contents.read(folder, thorough=True).is_damaged


def spoil(address: Address, path: str, damage: str) -> None:
    """Damage the archive of a path in a cache in a folder."""
    assert address.folder
    (entry,) = (one for one in contents.read(address).entries if one.path == path)
    file = address.folder / entry.url
    match damage:
        case "flipped":
            whole = zstandard.ZstdDecompressor().decompressobj().decompress(file.read_bytes())
            file.write_bytes(zstandard.compress(whole.replace(b"-word", b"-WORD")))
        case "cut":
            file.write_bytes(file.read_bytes()[:40])
        case "emptied":
            file.write_bytes(b"")
        case "removed":
            file.unlink()
        case _:
            file.write_bytes(b"not an archive\n" * 9)


def test_unsigned_path_is_refused(key: SigningKey, folder: Address, tmp_path: Path, empty_store: Path) -> None:
    """What another key signed is built instead, and the message says how to trust it."""
    text = str(uuid.uuid4())
    send(folder, make("pair", text), keys.generate("strangers-1", tmp_path / "strangers.key"))
    log = BuildLog()

    make("pair", text, options=take(folder, key, empty_store), log=log)

    (told,) = substituters.explain_failures(log)
    assert told.startswith(f"the cache at {folder} has 2 paths that no trusted key signed; refused them.")
    assert built_in(empty_store) == ["pair", "word"]


def test_new_key_signs_what_is_there(key: SigningKey, folder: Address, tmp_path: Path) -> None:
    """A push with another key adds its signature, so that a cache can change keys."""
    path = make("pair", str(uuid.uuid4()))
    send(folder, path, key)
    newer = keys.generate("tests-2", tmp_path / "newer.key")

    again = send(folder, path, newer)

    assert (len(again.wanted), len(again.unsigned)) == (0, 2)
    assert contents.read(folder).keys == ("tests-1", "tests-2")
    assert [contents.read(folder, public_key=str(one.public)).untrusted for one in (key, newer)] == [(), ()]


def test_other_key_of_the_same_name_is_refused(key: SigningKey, folder: Address, tmp_path: Path) -> None:
    """Two keys of one name would make machines refuse what the other signed."""
    path = make("pair", str(uuid.uuid4()))
    send(folder, path, key)
    impostor = keys.generate("tests-1", tmp_path / "impostor.key")

    with pytest.raises(CacheError, match="signatures of another key that is called tests-1 too") as caught:
        send(folder, path, impostor)

    assert "invoke cache.keygen --name NAME" in caught.value.hint


def test_published_contents_never_change(key: SigningKey, folder: Address, empty_store: Path) -> None:
    """A second build with other contents for the same path is refused, and the first one stays."""
    text = str(uuid.uuid4())
    path = make("shaken", text)
    make("shaken", text, options=("--store", str(empty_store)))
    copy = ["nix", "copy", "--no-check-sigs", "--from", str(empty_store), "--to", folder.url, path]
    run(copy)
    (before,) = contents.read(folder).entries

    with pytest.raises(CacheError, match=f"has other contents for {path}; what is published never changes"):
        send(folder, path, key)

    assert contents.read(folder).entries == (before,)


def test_dry_run_makes_no_folder(key: SigningKey, folder: Address) -> None:
    """A plan for a cache that does not exist yet leaves it so."""
    wanted = push.plan(folder, [make("pair", "dry")], key=key)

    assert len(wanted.wanted) == 2
    assert not Path(str(folder.folder)).exists()


def test_no_cache_is_an_error(folder: Address) -> None:
    """Looking into a folder without a cache does not make it one."""
    with pytest.raises(CacheError, match=f"no cache at {folder}: the folder has no nix-cache-info"):
        contents.read(folder)

    assert not Path(str(folder.folder)).exists()
