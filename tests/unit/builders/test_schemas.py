"""GLib's settings are compiled as GLib's own program does it, of which `tests/fixtures/gschemas` has a recording."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

import gvariant
import gvdb
import schemas
from entries import Entries, file

FIXTURES = Path(__file__).parents[2] / "fixtures" / "gschemas"
FOLDER = "usr/share/glib-2.0/schemas"


def read(data: bytes, start: int, end: int) -> dict[str, object]:
    """Read a table of GVDB: bytes of values, names in lists, and further tables."""
    words, buckets = struct.unpack_from("<2I", data, start)
    at = start + 8 + 4 * (words & 0x7FFFFFF) + 4 * buckets
    items = [struct.unpack_from("<3IHcx2I", data, place) for place in range(at, end, 24)]
    names = [data[one[2] : one[2] + one[3]].decode() for one in items]
    found: dict[str, object] = {}
    for name, (hashed, parent, *_, kind, first, last) in zip(names, items, strict=True):
        assert hashed == gvdb.find_hash(name)
        assert (parent == 0xFFFFFFFF) == (not name or name.startswith("."))
        if kind == b"H":
            found[name] = read(data, first, last)
        elif kind == b"v":
            found[name] = data[first:last]
        else:
            found[name] = sorted(names[index] for (index,) in struct.iter_unpack("<I", data[first:last]))
    return found


def load(data: bytes) -> dict[str, object]:
    """Read a file of GVDB."""
    assert data[:16] == b"GVariant\0\0\0\0\0\0\0\0"
    return read(data, *struct.unpack_from("<2I", data, 16))


def test_settings_are_compiled_as_by_glib(capsys: pytest.CaptureFixture[str]) -> None:
    """Types, defaults, words, limits, translations and what overrides them; a file that is not valid is left out."""
    given = {f"{FOLDER}/{path.name}": file(path) for path in FIXTURES.iterdir()}
    recorded = given.pop(f"{FOLDER}/gschemas.compiled").read()

    ((place, made),) = schemas.compile_all(Entries(given)).items.items()
    assert (place, load(made.read())) == (f"{FOLDER}/gschemas.compiled", load(recorded))
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith(f"/{FOLDER}/org.broken.gschema.xml: its settings are left out: ")
    assert told[1:] == ["draught=x: left out: could not convert string to float: 'x'"]


def test_item_is_found_by_its_hash() -> None:
    """GLib looks from where its bucket begins to where the next one does."""
    data = gvdb.write(dict.fromkeys("abcdefgh", b"\0"))
    start, end = struct.unpack_from("<2I", data, 16)
    (count,) = struct.unpack_from("<I", data, start + 4)
    buckets = struct.unpack_from(f"<{count}I", data, start + 8)
    items = [
        data[key : key + size].decode()
        for _, _, key, size in struct.iter_unpack("<3IH10x", data[start + 8 + 4 * count : end])
    ]

    for name in ("", *"abcdefgh"):
        bucket = gvdb.find_hash(name) % count
        assert name in items[buckets[bucket] : [*buckets, count][bucket + 1]]


@pytest.mark.parametrize(
    ("kind", "text"), [("i", "1 2"), ("as", "['a'"), ("as", "[a]"), ("s", "'a"), ("b", ""), ("(ii)", "(1")]
)
def test_text_that_is_no_value_is_refused(kind: str, text: str) -> None:
    """It is not taken for another one."""
    with pytest.raises((ValueError, KeyError)):
        gvariant.parse(kind, text)


def test_escapes_are_those_of_the_text_format() -> None:
    """Letters, code points, and lines that go on."""
    assert gvariant.parse("s", r'"a\tb\u00f1\U0001f600\"\\' + '\\\n"') == 'a\tbñ😀"\\'
