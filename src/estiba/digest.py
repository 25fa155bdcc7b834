"""A SHA-256 digest, in the notations of OCI, Nix and pip."""

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
    """A SHA-256 digest; `hex` is 64 lower-case hexadecimal digits.

    Raises:
        ValueError: `hex` is anything else.
    """

    hex: str

    def __post_init__(self) -> None:
        if not _HEX.fullmatch(self.hex):
            msg = f"not a SHA-256 digest: {self.hex!r}"
            raise ValueError(msg)

    def __str__(self) -> str:
        """Return the OCI notation, `sha256:<hex>`."""
        return f"sha256:{self.hex}"

    @property
    def sri(self) -> str:
        """The notation of Nix and of browsers, `sha256-<base64>`."""
        return f"sha256-{base64.b64encode(bytes.fromhex(self.hex)).decode()}"

    @classmethod
    def parse(cls, text: str) -> Digest:
        """Read `sha256:<hex>`, as OCI and pip write it.

        Raises:
            ValueError: The text has another algorithm or form.
        """
        algorithm, _, digits = text.partition(":")
        if algorithm != "sha256":
            msg = f"not a SHA-256 digest: {text!r}"
            raise ValueError(msg)
        return cls(digits)

    @classmethod
    def of_bytes(cls, data: bytes) -> Digest:
        """Hash bytes in memory."""
        return cls(hashlib.sha256(data).hexdigest())

    @classmethod
    def of_file(cls, path: Path) -> Digest:
        """Hash a file, reading it once.

        Raises:
            OSError: The file cannot be read.
        """
        hasher = hashlib.sha256()
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                hasher.update(chunk)
        return cls(hasher.hexdigest())
