"""Causes of differences between two Python bytecode files (PEP 3147, PEP 552)."""

from __future__ import annotations

from typing import Final

SUFFIX: Final = ".pyc"

_HEADER: Final = 16
_HASH_BASED: Final = 1


def explain(first: bytes, second: bytes) -> str:
    """Return why two bytecode files differ.

    The header has the magic number, the flags, and the modification time and size of the source or its hash, each of 4
    bytes; the hash has 8 (PEP 552).

    Args:
        first: Contents of a file.
        second: Contents of another file, which differ.
    """
    if min(len(first), len(second)) < _HEADER:
        return f"bytecode is cut short: {len(first)} and {len(second)} bytes"
    if first[:4] != second[:4]:
        return f"bytecode of different Python versions: magic {first[:4].hex()} and {second[:4].hex()}"
    if first[4:8] != second[4:8]:
        return f"bytecode validated in different ways: {_validation(first)} and {_validation(second)}"
    if first[8:_HEADER] != second[8:_HEADER]:
        if first[4] & _HASH_BASED:
            return "bytecode of different sources: their hashes differ"
        times = [int.from_bytes(data[8:12], "little") for data in (first, second)]
        return f"bytecode that records when its source was written: {times[0]} and {times[1]} s after 1970"
    return (
        "bytecode of the same source that was marshalled differently: "
        "what a process compiled before decides which constants are shared"
    )


def _validation(data: bytes) -> str:
    if not data[4] & _HASH_BASED:
        return "by time"
    return "by hash, checked" if data[4] & 2 else "by hash, unchecked"
