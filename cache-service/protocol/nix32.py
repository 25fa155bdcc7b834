"""Nix's base 32 (Nix manual, "Nix32 Encoding"): a little-endian integer, most significant digit first."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

DIGITS: Final = "0123456789abcdfghijklmnpqrsvwxyz"
SHA256_BYTES: Final = 32
_VALUES: Final = {digit: value for value, digit in enumerate(DIGITS)}
_HEX: Final = re.compile(r"[0-9a-f]{64}")
_BITS: Final = 5
_MASK: Final = (1 << _BITS) - 1


def encode(data: bytes) -> str:
    """Return bytes in base 32."""
    digits = (len(data) * 8 - 1) // _BITS + 1
    value = int.from_bytes(data, "little")
    return "".join(DIGITS[(value >> (_BITS * position)) & _MASK] for position in range(digits - 1, -1, -1))


def decode(text: str, size: int) -> bytes:
    """Return the bytes of a text in base 32.

    Raises:
        ValueError: The text has another length, another digit, or is not the one that `encode` writes.
    """
    if len(text) != (size * 8 - 1) // _BITS + 1:
        message = f"not {size} bytes in base 32: {text!r}"
        raise ValueError(message)
    value = 0
    for digit in text:
        if digit not in _VALUES:
            message = f"not a digit of base 32: {digit!r}"
            raise ValueError(message)
        value = (value << _BITS) | _VALUES[digit]
    if value >> (8 * size):
        message = f"not {size} bytes in base 32, whose first digit is too large: {text!r}"
        raise ValueError(message)
    return value.to_bytes(size, "little")


def parse_hash(text: str) -> bytes:
    """Return the bytes of a SHA-256 hash in one of Nix's notations: `sha256:` with base 16, 32 or 64, or SRI.

    Raises:
        ValueError: It is none.
    """
    separator = "-" if text.startswith("sha256-") else ":"
    algorithm, _, digits = text.partition(separator)
    if algorithm != "sha256":
        message = f"not a SHA-256 hash: {text!r}"
        raise ValueError(message)
    if _HEX.fullmatch(digits):
        return bytes.fromhex(digits)
    if len(digits) == (SHA256_BYTES * 8 - 1) // _BITS + 1:
        return decode(digits, SHA256_BYTES)
    try:
        data = base64.b64decode(digits, validate=True)
    except binascii.Error:
        data = b""
    if len(data) != SHA256_BYTES:
        message = f"not a SHA-256 hash: {text!r}"
        raise ValueError(message)
    return data
