from __future__ import annotations

import struct

import pytest

from estiba.lock.python import elf

HEADER_SIZE = 64
SEGMENT_SIZE = 56


def shared_library(*needed: str, folders: str = "") -> bytes:
    """Make the smallest ELF file that asks for libraries: a header, two segments, a dynamic section, its strings."""
    named = [*needed, folders] if folders else list(needed)
    strings = b"\0" + b"".join(name.encode() + b"\0" for name in named)
    dynamic_at = HEADER_SIZE + 2 * SEGMENT_SIZE
    offsets = [strings.index(b"\0" + name.encode() + b"\0") + 1 for name in named]
    entries = [(29 if folders and offset == offsets[-1] else 1, offset) for offset in offsets]
    strings_at = dynamic_at + 16 * (len(entries) + 2)
    address = 0x10000
    dynamic = b"".join(struct.pack("<qQ", *entry) for entry in [*entries, (5, address + strings_at), (0, 0)])
    size = strings_at + len(strings)
    identity = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    header = identity + struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, HEADER_SIZE, 0, 0, 64, SEGMENT_SIZE, 2, 64, 0, 0)
    load = struct.pack("<IIQQQQQQ", 1, 5, 0, address, address, size, size, 4096)
    table = struct.pack("<IIQQQQQQ", 2, 6, dynamic_at, address + dynamic_at, 0, len(dynamic), len(dynamic), 8)
    return header + load + table + dynamic + strings


def test_needed_libraries_are_read_in_order() -> None:
    """DT_NEEDED entries come as they are in the file."""
    assert elf.read_needed(shared_library("libpq.so.5", "libc.so.6")) == ["libpq.so.5", "libc.so.6"]


def test_a_library_may_need_nothing() -> None:
    """An empty dynamic section is fine."""
    assert elf.read_needed(shared_library()) == []


@pytest.mark.parametrize(
    "data", [b"", b"#!/bin/sh\n", b"\x7fELF\x01\x01" + bytes(60)], ids=["empty", "script", "32-bit"]
)
def test_other_files_need_nothing(data: bytes) -> None:
    """Whatever is not a 64-bit ELF file is left alone."""
    assert elf.read_needed(data) == []


def test_damaged_file_is_told() -> None:
    """A file that is cut off in the middle is an error of one kind."""
    with pytest.raises(ValueError, match="damaged ELF file"):
        elf.read_needed(shared_library("libpq.so.5")[:150])
