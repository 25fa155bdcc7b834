"""Values of GLib's type system GVariant: read from their text form, and serialised, little-endian.

Both are in "GVariant Specification 1.0" and in "GVariant Text Format" of GLib's reference. A value is what Python has
for it: dictionaries are lists of pairs, a `maybe` is a list of one or none, and a variant is a pair of type and value.
"""

import re
import struct
from collections.abc import Callable, Iterator
from typing import Any

_FIXED = {"b": "B", "y": "B", "n": "h", "q": "H", "i": "i", "u": "I", "h": "i", "x": "q", "t": "Q", "d": "d"}
_TEXTS = "sog"
_NAMES = "boolean byte int16 uint16 int32 uint32 int64 uint64 handle double string objectpath signature"
_WORDS = dict(zip(_NAMES.split(), "bynqiuxthdsog", strict=True))
"""Types that a value may be preceded by, by their names in a text."""

_TOKEN = re.compile(
    r"""\s*(b?'(?:[^'\\]|\\.)*'|b?"(?:[^"\\]|\\.)*"|@[a-z(){}]+(?=\s)|[()\[\]{}<>,:]|[^\s()\[\]{}<>,:'"]+)""", re.DOTALL
)
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)", re.DOTALL)
_LETTERS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\n": ""}


def parse(kind: str, text: str) -> Any:  # noqa: ANN401 - of that type
    """Return the value that a text stands for.

    Args:
        kind: Its type, such as `as`.
        text: The text.

    Raises:
        ValueError: It stands for no such value.
    """
    reader = _Reader(text)
    value = reader.read(kind)
    if reader.tokens:
        msg = f"more after a value of type {kind}: {text!r}"
        raise ValueError(msg)
    return value


def serialise(kind: str, value: Any) -> bytes:  # noqa: ANN401 - of that type
    """Return the bytes of a value."""
    match kind[0]:
        case sort if sort in _FIXED:
            return struct.pack(f"<{_FIXED[sort]}", value)
        case sort if sort in _TEXTS:
            return str(value).encode() + b"\0"
        case "v":
            return serialise(*value) + b"\0" + str(value[0]).encode()
        case "m":
            end = b"" if _size(kind[1:]) else b"\0"
            return serialise(kind[1:], value[0]) + end if value else b""
        case "a":
            return _join([(kind[1:], one) for one in value], is_array=True)
        case _:
            members = list(split(kind[1:-1]))
            data = _join(list(zip(members, value, strict=True)), is_array=False)
            size = _size(kind)
            return data if size is None else data.ljust(size, b"\0")


def split(kinds: str) -> Iterator[str]:
    """Yield the types in a row of them, such as the members of a tuple."""
    start = depth = 0
    for at, sign in enumerate(kinds):
        depth += (sign in "({") - (sign in ")}")
        if depth == 0 and sign not in "am":
            yield kinds[start : at + 1]
            start = at + 1


def _join(values: list[tuple[str, Any]], *, is_array: bool) -> bytes:
    """Return values one after another, with the ends of those whose size is not known behind them."""
    data, ends = b"", []
    for index, (kind, value) in enumerate(values):
        data += bytes(-len(data) % _align(kind)) + serialise(kind, value)
        if _size(kind) is None and (is_array or index < len(values) - 1):
            ends.append(len(data))
    for code, most in (("B", 0xFF), ("H", 0xFFFF), ("I", 0xFFFFFFFF)):
        if len(data) + len(ends) * struct.calcsize(code) <= most:
            return data + struct.pack(f"<{len(ends)}{code}", *(ends if is_array else reversed(ends)))
    msg = "a value of more than 4 GB"
    raise ValueError(msg)


def _align(kind: str) -> int:
    match kind[0]:
        case sort if sort in _FIXED:
            return struct.calcsize(_FIXED[sort])
        case "a" | "m":
            return _align(kind[1:])
        case "(" | "{":
            return max((_align(member) for member in split(kind[1:-1])), default=1)
        case sort:
            return 8 if sort == "v" else 1


def _size(kind: str) -> int | None:
    """Return the size of all values of a type, None where they differ."""
    if kind[0] in _FIXED:
        return struct.calcsize(_FIXED[kind[0]])
    if kind[0] not in "({":
        return None
    total = 0
    for member in split(kind[1:-1]):
        size = _size(member)
        if size is None:
            return None
        total += -total % _align(member) + size
    return total + -total % _align(kind) or 1


class _Reader:
    """The tokens of a text that are not read yet."""

    def __init__(self, text: str) -> None:
        self.tokens = _TOKEN.findall(text)
        if _TOKEN.sub("", text).strip():
            msg = f"no value: {text!r}"
            raise ValueError(msg)

    def read(self, kind: str) -> Any:  # noqa: ANN401 - of that type
        """Read a value of a type."""
        if self._first in _WORDS or self._first.startswith("@"):
            self._take()
        match kind[0]:
            case "b":
                return {"true": True, "false": False}[self._take()]
            case "d":
                return float(self._take())
            case sort if sort in _FIXED:
                return int(self._take(), 0)
            case sort if sort in _TEXTS:
                return _unquote(self._take())
            case _:
                return self._read_container(kind)

    def _read_container(self, kind: str) -> Any:  # noqa: ANN401 - of that type
        match kind[0], self._first:
            case "v", _:
                self._expect("<")
                inner = self._guess()
                found = self.read(inner)
                self._expect(">")
                return inner, found
            case "m", "nothing":
                self._take()
                return []
            case "m", _:
                if self._first == "just":
                    self._take()
                return [self.read(kind[1:])]
            case "a", "{":
                return self._read_list("{}", lambda _: self._read_pair(*split(kind[2:-1])))
            case "a", word if word.startswith("b"):
                return [*_unquote(self._take()[1:]).encode(), 0]
            case "a", _:
                return self._read_list("[]", lambda _: self.read(kind[1:]))
            case _:
                members = list(split(kind[1:-1]))
                return tuple(self._read_list(f"{kind[0]}{kind[-1]}", lambda at: self.read(members[at])))

    def _read_pair(self, key: str, value: str) -> tuple[Any, Any]:
        first = self.read(key)
        self._expect(":")
        return first, self.read(value)

    def _read_list(self, signs: str, read: Callable[[int], Any]) -> list[Any]:
        self._expect(signs[0])
        values: list[Any] = []
        while self._first != signs[1]:
            if values:
                self._expect(",")
                # A tuple of one ends with a comma.
                if self._first == signs[1]:
                    break
            values.append(read(len(values)))
        self._expect(signs[1])
        return values

    def _guess(self) -> str:
        """Return the type of what comes next, as a text of a variant does not say it unless it must."""
        word = self._first
        if word.startswith("@"):
            return word[1:]
        if word in ("true", "false"):
            return "b"
        if word.startswith(("'", '"')):
            return "s"
        return _WORDS.get(word) or ("i" if re.fullmatch(r"[-+]?(0x)?[0-9A-Fa-f]+", word) else "d")

    @property
    def _first(self) -> str:
        return self.tokens[0] if self.tokens else ""

    def _take(self) -> str:
        if not self.tokens:
            msg = "a text that ends too early"
            raise ValueError(msg)
        return str(self.tokens.pop(0))

    def _expect(self, sign: str) -> None:
        if (found := self._take()) != sign:
            msg = f"{found!r} instead of {sign!r}"
            raise ValueError(msg)


def _unquote(token: str) -> str:
    if token[0] not in "'\"":
        msg = f"no string: {token}"
        raise ValueError(msg)
    return _ESCAPE.sub(_unescape, token[1:-1])


def _unescape(found: re.Match[str]) -> str:
    word = found[1]
    return chr(int(word[1:], 16)) if len(word) > 1 else _LETTERS.get(word, word)
