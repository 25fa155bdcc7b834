"""SHA-256 digests, in the notations of OCI, Nix and pip."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_HEX: Final = re.compile(r"[0-9a-f]{64}")
_CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """SHA-256 digest.

    Attributes:
        hex: 64 lower-case hexadecimal digits.

    Raises:
        ValueError: `hex` has another form.
    """

    hex: str

    def __post_init__(self) -> None:
        if not _HEX.fullmatch(self.hex):
            msg = f"not a SHA-256 digest: {self.hex!r}"
            raise ValueError(msg)

    def __str__(self) -> str:
        """Return the digest as `sha256:<hex>` (OCI image-spec, "Digests")."""
        return f"sha256:{self.hex}"

    @property
    def sri(self) -> str:
        """The digest as `sha256-<base64>` (W3C Subresource Integrity, used by Nix and npm)."""
        return f"sha256-{base64.b64encode(bytes.fromhex(self.hex)).decode()}"

    @classmethod
    def parse(cls, text: str) -> Digest:
        """Parse `sha256:<hex>`, as OCI documents and pip's `--hash` options have it.

        Raises:
            ValueError: The algorithm is another one, or the digits have another form.
        """
        algorithm, _, digits = text.partition(":")
        if algorithm != "sha256":
            msg = f"not a SHA-256 digest: {text!r}"
            raise ValueError(msg)
        return cls(digits)

    @classmethod
    def of_bytes(cls, data: bytes) -> Digest:
        """Return the digest of `data`."""
        return cls(hashlib.sha256(data).hexdigest())

    @classmethod
    def of_file(cls, path: Path) -> Digest:
        """Return the digest of a file, read in chunks of 1 MiB.

        Raises:
            OSError: The file cannot be read.
        """
        hasher = hashlib.sha256()
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                hasher.update(chunk)
        return cls(hasher.hexdigest())
