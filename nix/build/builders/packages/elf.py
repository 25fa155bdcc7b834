"""Shared libraries that an ELF file needs, and where it has them looked for (elf(5), ld.so(8))."""

import struct
from typing import NamedTuple

_NULL, _NEEDED, _STRTAB, _RPATH, _RUNPATH = 0, 1, 5, 15, 29
_LOAD, _DYNAMIC = 1, 2


class Dynamic(NamedTuple):
    """The dynamic section: names of needed libraries, and folders to look for them in first."""

    needed: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()


def read(data: bytes) -> Dynamic:
    """Read a 64-bit little-endian ELF file; other files, and those that are linked statically, need nothing.

    Raises:
        ValueError: The file is a damaged ELF file.
    """
    if data[:6] != b"\x7fELF\x02\x01":
        return Dynamic()
    try:
        return _read(data)
    except (struct.error, IndexError) as error:
        msg = "damaged ELF file"
        raise ValueError(msg) from error


def _read(data: bytes) -> Dynamic:
    (table,) = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    segments = [struct.unpack_from("<IIQQQQ", data, table + index * size) for index in range(count)]
    found: dict[int, list[int]] = {}
    for kind, _, offset, _, _, length in segments:
        if kind == _DYNAMIC:
            for tag, value in struct.iter_unpack("<qQ", data[offset : offset + length - length % 16]):
                if tag == _NULL:
                    break
                found.setdefault(tag, []).append(value)
    if _STRTAB not in found:
        return Dynamic()
    address = found[_STRTAB][0]
    # The section has the address of the names in memory.
    start = next(
        address - virtual + offset
        for kind, _, offset, virtual, _, length in segments
        if kind == _LOAD and virtual <= address < virtual + length
    )
    names = {tag: [_text(data, start + value) for value in found.get(tag, [])] for tag in (_NEEDED, _RPATH, _RUNPATH)}
    folders = [folder for text in (*names[_RPATH], *names[_RUNPATH]) for folder in text.split(":")]
    return Dynamic(tuple(names[_NEEDED]), tuple(folders))


def _text(data: bytes, start: int) -> str:
    return data[start : data.index(b"\0", start)].decode("utf-8", "replace")
