"""Names and paths in the Nix store."""

from __future__ import annotations

import re
from typing import Final

_FORBIDDEN: Final = re.compile(rb"[^0-9A-Za-z+._?=-]")


def store_name(file_name: str) -> str:
    """Return `file_name` with the characters that a store name may not have replaced by `_`.

    Nix allows letters, digits and `+-._?=`, and no leading dot (Nix manual, "Store path"), and it counts bytes.
    `nix/lib/store-name.nix` holds the same rule; both are tested with `tests/nix/store-names.json`.
    """
    name = _FORBIDDEN.sub(b"_", file_name.encode()).decode()
    return f"_{name[1:]}" if name.startswith(".") else name
