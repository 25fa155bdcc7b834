"""What the kinds of files are known by, without which GLib knows none, and gdk-pixbuf opens no image.

`update-mime-database` writes it from the descriptions of the packages; formats and rules are those of the specification
"Shared MIME-info Database" of freedesktop.org. A cache of it, `mime.cache`, is faster, and not needed.
"""

import re
import struct
from collections.abc import Iterator
from operator import itemgetter
from xml.etree import ElementTree as ET

from entries import Entries, file

_FOLDER = "usr/share/mime"
_DESCRIPTIONS = re.compile(rf"{_FOLDER}/packages/[^/]+\.xml")
_FIRST = f"{_FOLDER}/packages/freedesktop.org.xml"
_NAMESPACE = "{http://www.freedesktop.org/standards/shared-mime-info}"
_DEFAULT = "50"
_NUMBER = re.compile(r"(big|little|host)(16|32)|byte")
_ESCAPE = re.compile(r"\\(x[0-9A-Fa-f]{1,2}|[0-7]{1,3}|.)", re.DOTALL)
_LETTERS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_HEADER = "# Made of the descriptions in packages\n"


def index(root: Entries) -> Entries:
    """Return the lists for the descriptions in a root, or nothing where there are none."""
    made = Entries()
    found = (path for path in root.items if _DESCRIPTIONS.fullmatch(path))
    if not (paths := sorted(found, key=lambda path: (path != _FIRST, path))):
        return made
    # Packages are signed: nobody sends XML that is made to harm.
    trees = [ET.fromstring(root.items[path].read()) for path in paths]  # noqa: S314 - see above
    kinds = [kind for tree in trees for kind in tree.iter(f"{_NAMESPACE}mime-type")]
    lists = {
        "aliases": _list_lines(f"{alias.get('type')} {kind.get('type')}" for kind, alias in _find(kinds, "alias")),
        "globs2": _HEADER.encode() + _list_globs(kinds),
        "magic": b"MIME-Magic\0\n" + b"".join(_list_magic(kinds)),
        "subclasses": _list_lines(
            f"{kind.get('type')} {parent.get('type')}" for kind, parent in _find(kinds, "sub-class-of")
        ),
    }
    for name, content in lists.items():
        made.add(f"{_FOLDER}/{name}", file(content))
    return made


def _find(kinds: list[ET.Element], name: str) -> Iterator[tuple[ET.Element, ET.Element]]:
    return ((kind, one) for kind in kinds for one in kind.iterfind(f"{_NAMESPACE}{name}"))


def _list_lines(lines: Iterator[str]) -> bytes:
    return "".join(f"{line}\n" for line in sorted(set(lines))).encode()


def _list_globs(kinds: list[ET.Element]) -> bytes:
    found = {
        (-int(glob.get("weight", _DEFAULT)), f"{kind.get('type')}:{pattern}")
        for kind, glob in _find(kinds, "glob")
        for pattern in _read_pattern(glob)
    }
    return "".join(f"{-weight}:{line}\n" for weight, line in sorted(found)).encode()


def _read_pattern(glob: ET.Element) -> tuple[str, ...]:
    """Return a pattern as it is listed: in small letters, or with a flag, and for who knows no flags without it."""
    pattern = glob.get("pattern", "")
    return (f"{pattern}:cs", pattern) if glob.get("case-sensitive") == "true" else (pattern.lower(),)


def _list_magic(kinds: list[ET.Element]) -> Iterator[bytes]:
    named = [(-int(magic.get("priority", _DEFAULT)), kind.get("type"), magic) for kind, magic in _find(kinds, "magic")]
    for priority, kind, magic in sorted(named, key=itemgetter(0, 1)):
        yield f"[{-priority}:{kind}]\n".encode()
        for match in magic.iterfind(f"{_NAMESPACE}match"):
            yield from _describe(match, 0)


def _describe(match: ET.Element, depth: int) -> Iterator[bytes]:
    """Yield the line of a match, and those of the matches that it depends on."""
    kind, value, mask = match.get("type", ""), match.get("value", ""), match.get("mask")
    start, _, end = match.get("offset", "0").partition(":")
    content, size = _encode(kind, value)
    line = (str(depth) if depth else "").encode() + f">{start}=".encode() + struct.pack(">H", len(content)) + content
    if mask is not None:
        line += b"&" + (bytes.fromhex(mask.removeprefix("0x")) if kind == "string" else _encode(kind, mask)[0])
    line += f"~{size}".encode() if size > 1 else b""
    line += f"+{int(end) - int(start) + 1}".encode() if end and end != start else b""
    yield line + b"\n"
    for inner in match.iterfind(f"{_NAMESPACE}match"):
        yield from _describe(inner, depth + 1)


def _encode(kind: str, value: str) -> tuple[bytes, int]:
    """Return a value's bytes, and the size of the words that a machine may have to turn round; 1 for none."""
    found = _NUMBER.fullmatch(kind)
    if not found:
        return _ESCAPE.sub(_unescape, value).encode("latin-1"), 1
    size = int(found[2]) // 8 if found[2] else 1
    base = 8 if re.fullmatch(r"0[0-7]+", value) else 0
    number = int(value, base)
    content = number.to_bytes(size, "little") if found[1] == "little" else number.to_bytes(size, "big")
    return content, size if found[1] == "host" else 1


def _unescape(found: re.Match[str]) -> str:
    word = found[1]
    if word[0] == "x" and len(word) > 1:
        return chr(int(word[1:], 16))
    return chr(int(word, 8)) if word[0] in "01234567" else _LETTERS.get(word, word)
