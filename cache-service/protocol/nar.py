"""Verification of a NAR: its grammar with the limits of Nix, its hash and size, and the references in it.

The grammar is that of the Nix manual, "Nix Archive (NAR) format"; the limits are those of Nix's `archive.cc`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from protocol.narinfo import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_DEPTH: Final = 64
MAX_NAME: Final = 255
MAX_TARGET: Final = 4095
_MAX_TAG: Final = 32
_WORD: Final = 8
_MAGIC: Final = b"nix-archive-1"
_NEEDLE: Final = 32
"""Number of digits of a reference's hash part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a NAR is.

    Attributes:
        digest: SHA-256.
        size: Size in bytes.
        found: Those of the wanted hash parts that occur in it.
    """

    digest: bytes
    size: int
    found: frozenset[str]


def verify(parts: Iterable[bytes], *, limit: int, wanted: Iterable[str] = ()) -> Summary:
    """Read a NAR to its end.

    Args:
        parts: Its bytes.
        limit: Size in bytes after which reading ends, so that a few compressed bytes cannot keep a worker busy.
        wanted: Hash parts of store paths to look for.

    Raises:
        FormatError: It breaks the grammar or a limit.
    """
    source = _Source(iter(parts), limit, set(wanted))
    source.expect(_MAGIC)
    _read_node(source, 0)
    source.finish()
    return Summary(digest=source.digest, size=source.size, found=frozenset(source.found))


class _Source:
    """Bytes that are hashed, counted and searched as they are read."""

    def __init__(self, parts: Iterator[bytes], limit: int, wanted: set[str]) -> None:
        self.size = 0
        self.found: set[str] = set()
        self._parts = parts
        self._limit = limit
        self._wanted = {name.encode(): name for name in wanted}
        self._hash = hashlib.sha256()
        self._tail = b""
        self._buffer = b""
        self._position = 0

    @property
    def digest(self) -> bytes:
        """SHA-256 of what was read."""
        return self._hash.digest()

    def text(self, most: int, what: str) -> bytes:
        """Read a string of limited length."""
        size = self._number()
        if size > most:
            message = f"the NAR has a {what} of {size} bytes, more than {most}"
            raise FormatError(message)
        data = self._take(size)
        self._padding(size)
        return data

    def expect(self, word: bytes) -> None:
        """Read a certain tag."""
        if (found := self.text(_MAX_TAG, "tag")) != word:
            message = f"the NAR has {found!r} where {word!r} should be"
            raise FormatError(message)

    def contents(self) -> None:
        """Read the contents of a file, of any length."""
        size = left = self._number()
        while left:
            step = min(left, len(self._buffer) - self._position)
            self._position += step
            left -= step
            if left:
                self._fill()
        self._padding(size)

    def finish(self) -> None:
        """Check that nothing follows."""
        if self._position < len(self._buffer) or any(self._parts):
            message = "the NAR has bytes after its end"
            raise FormatError(message)

    def _number(self) -> int:
        return int.from_bytes(self._take(_WORD), "little")

    def _padding(self, size: int) -> None:
        if any(self._take(-size % _WORD)):
            message = "the NAR has padding that is not zero"
            raise FormatError(message)

    def _take(self, size: int) -> bytes:
        while len(self._buffer) - self._position < size:
            self._fill()
        data = self._buffer[self._position : self._position + size]
        self._position += size
        return data

    def _fill(self) -> None:
        if not self._next():
            message = "the NAR ends too early"
            raise FormatError(message)

    def _next(self) -> bool:
        """Append the next part to what is left of the last one; return whether there was one."""
        part = next(self._parts, None)
        if part is None:
            return False
        self.size += len(part)
        if self.size > self._limit:
            message = f"the NAR has more than {self._limit} bytes"
            raise FormatError(message)
        self._hash.update(part)
        self._search(part)
        self._buffer = self._buffer[self._position :] + part
        self._position = 0
        return True

    def _search(self, part: bytes) -> None:
        if not self._wanted:
            return
        text = self._tail + part
        for needle in [needle for needle in self._wanted if needle in text]:
            self.found.add(self._wanted.pop(needle))
        self._tail = text[1 - _NEEDLE :]


def _read_node(source: _Source, depth: int) -> None:
    if depth >= MAX_DEPTH:
        message = f"the NAR has more than {MAX_DEPTH} levels"
        raise FormatError(message)
    source.expect(b"(")
    source.expect(b"type")
    match source.text(_MAX_TAG, "tag"):
        case b"regular":
            _read_regular(source)
        case b"symlink":
            _read_symlink(source)
        case b"directory":
            _read_directory(source, depth)
        case other:
            message = f"the NAR has a node of the type {other!r}"
            raise FormatError(message)


def _read_regular(source: _Source) -> None:
    tag = source.text(_MAX_TAG, "tag")
    if tag == b"executable":
        source.expect(b"")
        tag = source.text(_MAX_TAG, "tag")
    if tag == b"contents":
        source.contents()
        tag = source.text(_MAX_TAG, "tag")
    _end(tag)


def _read_symlink(source: _Source) -> None:
    source.expect(b"target")
    target = source.text(MAX_TARGET, "target of a link")
    if not target or b"\0" in target:
        message = "the NAR has a link with an empty target, or a zero byte in it"
        raise FormatError(message)
    source.expect(b")")


def _read_directory(source: _Source, depth: int) -> None:
    previous = b""
    while (tag := source.text(_MAX_TAG, "tag")) == b"entry":
        source.expect(b"(")
        source.expect(b"name")
        name = source.text(MAX_NAME, "name")
        if name in {b"", b".", b".."} or b"/" in name or b"\0" in name:
            message = f"the NAR has a file with the name {name!r}"
            raise FormatError(message)
        if name <= previous:
            message = f"the NAR has {name!r} after {previous!r}, which is not in order"
            raise FormatError(message)
        previous = name
        source.expect(b"node")
        _read_node(source, depth + 1)
        source.expect(b")")
    _end(tag)


def _end(tag: bytes) -> None:
    if tag != b")":
        message = f"the NAR has {tag!r} where a node should end"
        raise FormatError(message)
