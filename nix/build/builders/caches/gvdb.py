"""GVDB, the file of tables in which GLib looks up what it has compiled, as its `gvdb-format.h` describes it."""

import struct
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

Table: TypeAlias = "Mapping[str, bytes | Table]"
"""Serialised variants, and further tables, by name."""

_MAGIC = b"GVariant"
_HEADER, _COUNTS, _BUCKET, _ITEM = 24, 8, 4, 24
"""Sizes in bytes: of the beginning of a file and of a table, and of what a table has for each item."""

_NO_FILTER = 5 << 27
"""Number of words of a filter before the items, none, with the shift that writers give it."""

_NO_PARENT = 0xFFFFFFFF


def write(table: Table) -> bytes:
    """Return a file with a table."""
    data = bytearray(_HEADER)
    start, end = _write(data, table)
    data[:_HEADER] = _MAGIC + struct.pack("<4I", 0, 0, start, end)
    return bytes(data)


def find_hash(name: str) -> int:
    """Return the hash of a name."""
    value = 5381
    for byte in name.encode():
        value = (value * 33 + byte) & 0xFFFFFFFF
    return value


def _write(data: bytearray, table: Table) -> tuple[int, int]:
    """Write a table and what is in it; return where it begins and ends.

    An item with an empty name is the list of all items, and their parent, but for those whose names begin with a dot.
    """
    names = sorted([*table, ""], key=lambda name: (find_hash(name) % (len(table) + 1), name))
    index = {name: at for at, name in enumerate(names)}
    listed = [index[name] for name in sorted(table) if not name.startswith(".")]
    count = len(names)
    start = _pad(data, 4)
    size = _COUNTS + count * (_BUCKET + _ITEM)
    data += bytes(size)
    hashes = [find_hash(name) % count for name in names]
    buckets = [next((at for at, own in enumerate(hashes) if own >= bucket), count) for bucket in range(count)]
    struct.pack_into(f"<{2 + count}I", data, start, _NO_FILTER, count, *buckets)
    for at, name in enumerate(names):
        place = len(data)
        data += name.encode()
        if name:
            kind, pointer = _write_value(data, table[name])
        else:
            kind, pointer = b"L", _append(data, struct.pack(f"<{len(listed)}I", *listed), 4)
        parent = index[""] if at in listed else _NO_PARENT
        item = struct.pack("<3IHcx2I", find_hash(name), parent, place, len(name.encode()), kind, *pointer)
        offset = start + _COUNTS + count * _BUCKET + at * _ITEM
        data[offset : offset + _ITEM] = item
    return start, start + size


def _write_value(data: bytearray, value: "bytes | Table") -> tuple[bytes, tuple[int, int]]:
    return (b"v", _append(data, value, 8)) if isinstance(value, bytes) else (b"H", _write(data, value))


def _append(data: bytearray, value: bytes, alignment: int) -> tuple[int, int]:
    start = _pad(data, alignment)
    data += value
    return start, len(data)


def _pad(data: bytearray, alignment: int) -> int:
    data += bytes(-len(data) % alignment)
    return len(data)
