"""Names and paths in the Nix store."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from estiba.digest import Digest

STORE: Final = "/nix/store"
"""The store's folder as paths name it; a store kept elsewhere uses the same names."""

_BASE32: Final = "0123456789abcdfghijklmnpqrsvwxyz"
_HASH_BYTES: Final = 20
_DIGIT_BITS: Final = 5

_FORBIDDEN: Final = re.compile(rb"[^0-9A-Za-z+._?=-]")


def store_name(file_name: str) -> str:
    """Return `file_name` with the characters that a store name may not have replaced by `_`.

    Nix allows letters, digits and `+-._?=`, and no leading dot (Nix manual, "Store path"), and it counts bytes.
    `nix/lib/store-name.nix` holds the same rule; both are tested with `tests/nix/store-names.json`.
    """
    name = _FORBIDDEN.sub(b"_", file_name.encode()).decode()
    return f"_{name[1:]}" if name.startswith(".") else name


def fixed_output(name: str, digest: Digest) -> str:
    """Return the store path of a file with a name and a hash, as `nix-store --add-fixed sha256` makes it.

    It is also the output of a fixed-output derivation in flat mode (Nix manual, "Store path", `fixed:out`).
    """
    inner = hashlib.sha256(f"fixed:out:{digest}:".encode()).hexdigest()
    outer = hashlib.sha256(f"output:out:sha256:{inner}:{STORE}:{name}".encode()).digest()
    return f"{STORE}/{_render_base32(_fold(outer))}-{name}"


def _fold(data: bytes) -> bytes:
    """Shorten a hash by adding its bytes up modulo 2, as store paths have it."""
    folded = bytearray(_HASH_BYTES)
    for index, byte in enumerate(data):
        folded[index % _HASH_BYTES] ^= byte
    return bytes(folded)


def _render_base32(data: bytes) -> str:
    """Write bytes in Nix's own base 32: the last digit first, without e, o, u and t."""
    number = int.from_bytes(data, "little")
    count = -(-len(data) * 8 // _DIGIT_BITS)
    return "".join(_BASE32[number >> _DIGIT_BITS * index & 31] for index in reversed(range(count)))
