"""Store names and store paths, computed as Nix computes them (Nix manual, "Complete Store Path Calculation")."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from estiba.digest import Digest

STORE: Final = "/nix/store"
"""The store directory in store paths; a chroot store has the same one."""

_BASE32: Final = "0123456789abcdfghijklmnpqrsvwxyz"
_HASH_BYTES: Final = 20
_DIGIT_BITS: Final = 5

_FORBIDDEN: Final = re.compile(rb"[^0-9A-Za-z+._?=-]")


def store_name(file_name: str) -> str:
    """Return a file name with all characters that are invalid in a store name replaced by `_`.

    Valid are ASCII letters, digits and `+-._?=`, without a leading dot (Nix manual, "Store Path"); each invalid byte of
    the UTF-8 encoding becomes one `_`.
    `nix/lib/store-name.nix` holds the same rule; both are tested with `tests/nix/store-names.json`.
    """
    name = _FORBIDDEN.sub(b"_", file_name.encode()).decode()
    return f"_{name[1:]}" if name.startswith(".") else name


def fixed_output(name: str, digest: Digest | str) -> str:
    """Return the store path of a file that `nix-store --add-fixed` adds.

    It is also the output path of a fixed-output derivation in flat mode (`fixed:out` in the Nix manual).

    Args:
        name: Store name of the file.
        digest: Digest of its contents, or `sha512:` and its SHA-512 in hexadecimal.
    """
    inner = hashlib.sha256(f"fixed:out:{digest}:".encode()).hexdigest()
    outer = hashlib.sha256(f"output:out:sha256:{inner}:{STORE}:{name}".encode()).digest()
    return f"{STORE}/{_render_base32(_fold(outer))}-{name}"


def _fold(data: bytes) -> bytes:
    """Compress a hash to 20 bytes by XOR, as Nix does for store paths."""
    folded = bytearray(_HASH_BYTES)
    for index, byte in enumerate(data):
        folded[index % _HASH_BYTES] ^= byte
    return bytes(folded)


def _render_base32(data: bytes) -> str:
    """Encode bytes in Nix's base 32: the digits in reverse order, of an alphabet without e, o, u and t."""
    number = int.from_bytes(data, "little")
    count = -(-len(data) * 8 // _DIGIT_BITS)
    return "".join(_BASE32[number >> _DIGIT_BITS * index & 31] for index in reversed(range(count)))
