"""NARs, and clients that push them."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import zstandard
from django.test import Client

from caches import storage
from caches.models import Cache, Scope, SigningKey, Token
from protocol import nix32
from protocol.narinfo import NarInfo
from protocol.signature import SecretKey

if TYPE_CHECKING:
    from pathlib import Path

    from django.http import HttpResponse


def word(data: bytes) -> bytes:
    """Return a string of a NAR."""
    return len(data).to_bytes(8, "little") + data + bytes(-len(data) % 8)


def words(*texts: bytes) -> bytes:
    """Return some strings of a NAR."""
    return b"".join(word(text) for text in texts)


def regular(contents: bytes, *, executable: bool = False) -> bytes:
    """Return the node of a file."""
    flags = (b"executable", b"") if executable else ()
    return words(b"(", b"type", b"regular", *flags, b"contents", contents, b")")


def symlink(target: bytes) -> bytes:
    """Return the node of a link."""
    return words(b"(", b"type", b"symlink", b"target", target, b")")


def directory(*entries: tuple[bytes, bytes]) -> bytes:
    """Return the node of a folder, with its entries as they are given."""
    inside = [words(b"entry", b"(", b"name", name, b"node") + node + words(b")") for name, node in entries]
    return words(b"(", b"type", b"directory") + b"".join(inside) + words(b")")


def nar(node: bytes) -> bytes:
    """Return the NAR of a node."""
    return word(b"nix-archive-1") + node


def name_of(number: int, name: str = "thing") -> str:
    """Return the base name of a store path."""
    return f"{nix32.encode(number.to_bytes(20, 'little'))}-{name}"


@dataclass(frozen=True, kw_only=True)
class Made:
    """A store path that is ready to be pushed.

    Attributes:
        info: Its narinfo.
        file: Its compressed NAR.
    """

    info: NarInfo
    file: bytes


def make(number: int, *references: str, contents: bytes = b"", name: str = "thing") -> Made:
    """Return a store path with one file, which names its references."""
    named = b"".join(f"/nix/store/{one}\n".encode() for one in references)
    data = nar(regular(f"{number}\n".encode() + named + contents))
    file = zstandard.compress(data)
    digest = hashlib.sha256(file).digest()
    info = NarInfo(
        base_name=name_of(number, name),
        url=f"nar/{nix32.encode(digest)}.nar.zst",
        compression="zstd",
        file_hash=digest,
        file_size=len(file),
        nar_hash=hashlib.sha256(data).digest(),
        nar_size=len(data),
        references=tuple(sorted(references)),
    )
    return Made(info=info, file=file)


def unpacked(made: Made) -> bytes:
    """Return the NAR of a store path."""
    return bytes(zstandard.decompress(made.file))


@dataclass(kw_only=True)
class Place:
    """A cache with a token, and what a client does with it."""

    cache: Cache
    secret: str
    client: Client = field(default_factory=Client)

    @property
    def credentials(self) -> dict[str, str]:
        """The header of a client with the token."""
        return {"Authorization": f"Bearer {self.secret}"}

    def get(self, place: str, *, stranger: bool = False, **headers: str) -> HttpResponse:
        """Ask for something."""
        shown = {} if stranger else self.credentials
        return self.client.get(f"/{self.cache.name}/{place}", headers={**shown, **headers})

    def put(self, place: str, body: bytes | str, **headers: str) -> HttpResponse:
        """Send something."""
        data = body.encode() if isinstance(body, str) else body
        return self.client.put(
            f"/{self.cache.name}/{place}",
            data=data,
            content_type="application/octet-stream",
            headers={**self.credentials, **headers},
            # Django's own complains of sizes that are too large.
            **{"wsgi.input": io.BytesIO(data)},
        )

    def push(self, made: Made, **changes: Any) -> HttpResponse:
        """Send a NAR and its narinfo, of which some values may be changed."""
        answer = self.put(made.info.url, made.file)
        assert answer.status_code == 201, answer.content
        info = replace(made.info, **changes)
        return self.put(f"{info.hash_part}.narinfo", info.render())


def open_place(name: str = "team", *scopes: str, public: bool = False) -> Place:
    """Make a cache with a key and a token."""
    cache = Cache.objects.create(name=name, is_public=public)
    SigningKey.generate(cache)
    _, secret = Token.create(cache, "ci", list(scopes or (Scope.PUSH,)))
    return Place(cache=cache, secret=secret)


def body(answer: HttpResponse) -> bytes:
    """Return what was sent."""
    data = answer.getvalue()
    if answer.streaming:
        # Not the answer itself: that would end the connection to the database, too.
        for close in answer._resource_closers:
            close()
    return bytes(data)


def said(answer: HttpResponse, status: int) -> str:
    """Return the sentence of a refusal."""
    text = body(answer).decode()
    assert answer.status_code == status, text
    return text


def stored(folder: Path) -> list[Path]:
    """Return the NARs and drafts in a folder, without what is published of them."""
    names = (storage.DRAFTS, storage.NARS)
    return sorted(file for name in names for file in (folder / name).rglob("*") if file.is_file())


def sign(made: Made, name: str) -> str:
    """Return a signature by a new key."""
    return SecretKey.generate(name).sign(made.info.fingerprint)
