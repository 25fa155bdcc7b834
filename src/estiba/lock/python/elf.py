"""Shared libraries that an ELF file needs (elf(5))."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

_MAGIC: Final = b"\x7fELF"
_CLASS_64: Final = 2
_LITTLE: Final = 1
_PT_LOAD: Final = 1
_PT_DYNAMIC: Final = 2
_DT_NULL: Final = 0
_DT_NEEDED: Final = 1
_DT_STRTAB: Final = 5


@dataclass(frozen=True, slots=True)
class _Segment:
    """Program header: type, offset in the file, virtual address, size in the file in bytes."""

    kind: int
    offset: int
    address: int
    size: int


def read_needed(data: bytes) -> list[str]:
    """Return the DT_NEEDED entries of a 64-bit little-endian ELF file, an empty list for any other file.

    Raises:
        ValueError: The file is a damaged ELF file.
    """
    if data[:4] != _MAGIC or data[4] != _CLASS_64 or data[5] != _LITTLE:
        return []
    try:
        return _read(data)
    except (struct.error, IndexError) as error:
        msg = "damaged ELF file"
        raise ValueError(msg) from error


def _read(data: bytes) -> list[str]:
    (table,) = struct.unpack_from("<Q", data, 32)
    entry_size, count = struct.unpack_from("<HH", data, 54)
    segments = [_read_segment(data, table + index * entry_size) for index in range(count)]
    dynamic = next((segment for segment in segments if segment.kind == _PT_DYNAMIC), None)
    if dynamic is None:
        return []
    needed: list[int] = []
    strings = 0
    for position in range(dynamic.offset, dynamic.offset + dynamic.size, 16):
        tag, value = struct.unpack_from("<qQ", data, position)
        if tag == _DT_NULL:
            break
        if tag == _DT_NEEDED:
            needed.append(value)
        elif tag == _DT_STRTAB:
            strings = _to_offset(segments, value)
    return [_read_string(data, strings + offset) for offset in needed]


def _read_segment(data: bytes, position: int) -> _Segment:
    kind, _flags, offset, address, _physical, size = struct.unpack_from("<IIQQQQ", data, position)
    return _Segment(kind, offset, address, size)


def _to_offset(segments: list[_Segment], address: int) -> int:
    """Return the offset in the file of a virtual address; DT_STRTAB holds the latter."""
    for segment in segments:
        if segment.kind == _PT_LOAD and segment.address <= address < segment.address + segment.size:
            return address - segment.address + segment.offset
    msg = "string table outside of all segments"
    raise IndexError(msg)


def _read_string(data: bytes, start: int) -> str:
    return data[start : data.index(b"\0", start)].decode("utf-8", "replace")
