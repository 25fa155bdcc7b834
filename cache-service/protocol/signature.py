"""Ed25519 keys and signatures in Nix's notation `name:base64` (Nix manual, "Signatures")."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_SEED_BYTES: Final = 32
_PUBLIC_BYTES: Final = 32
_SIGNATURE_BYTES: Final = 64


@dataclass(frozen=True, slots=True)
class SecretKey:
    """Secret key, as `name:base64` of its seed and its public key, which is libsodium's form."""

    text: str

    def __repr__(self) -> str:
        """Return the name alone: representations end up in logs."""
        return f"SecretKey({self.name!r})"

    @classmethod
    def generate(cls, name: str) -> SecretKey:
        """Generate a key; Nix takes two keys of one name for the same."""
        key = Ed25519PrivateKey.generate()
        data = key.private_bytes_raw() + key.public_key().public_bytes_raw()
        return cls(f"{name}:{base64.b64encode(data).decode()}")

    @property
    def name(self) -> str:
        """Name of the key, which its signatures carry."""
        return self.text.partition(":")[0]

    @property
    def public(self) -> str:
        """Public key, as in `trusted-public-keys` of nix.conf(5)."""
        return f"{self.name}:{base64.b64encode(self._data[_SEED_BYTES:]).decode()}"

    def sign(self, fingerprint: str) -> str:
        """Return the signature of a fingerprint."""
        made = Ed25519PrivateKey.from_private_bytes(self._data[:_SEED_BYTES]).sign(fingerprint.encode())
        return f"{self.name}:{base64.b64encode(made).decode()}"

    @property
    def _data(self) -> bytes:
        return base64.b64decode(self.text.partition(":")[2])


def is_signature(text: str) -> bool:
    """Tell whether a text has the form of a signature, which says nothing of whose it is."""
    return len(_decode(text)) == _SIGNATURE_BYTES


def is_public_key(text: str) -> bool:
    """Tell whether a text has the form of a public key."""
    return len(_decode(text)) == _PUBLIC_BYTES


def verify(fingerprint: str, signature: str, public_key: str) -> bool:
    """Tell whether a signature of a fingerprint was made with a key: of the same name, and valid."""
    if not is_signature(signature) or signature.partition(":")[0] != public_key.partition(":")[0]:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(_decode(public_key)).verify(_decode(signature), fingerprint.encode())
    except (InvalidSignature, ValueError):
        return False
    return True


def _decode(text: str) -> bytes:
    """Return the bytes of a key or signature, none if its form is another one."""
    name, _, encoded = text.partition(":")
    if not NAME.fullmatch(name):
        return b""
    try:
        return base64.b64decode(encoded, validate=True)
    except binascii.Error:
        return b""
