"""Encryption of signing keys, so that a copy of the database alone signs nothing."""

from __future__ import annotations

import base64

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

_KEY_BYTES = 32


def seal(text: str) -> bytes:
    """Encrypt a text with KEYS_SECRET."""
    return _cipher().encrypt(text.encode())


def open_sealed(data: bytes) -> str:
    """Decrypt what `seal` has made.

    Raises:
        ImproperlyConfigured: KEYS_SECRET, or without it SECRET_KEY, is another one than it was then.
    """
    try:
        return _cipher().decrypt(data).decode()
    except InvalidToken as error:
        message = "the signing keys were encrypted with another KEYS_SECRET (or SECRET_KEY, where that is unset)"
        raise ImproperlyConfigured(message) from error


def _cipher() -> Fernet:
    derived = HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=b"signing keys")
    return Fernet(base64.urlsafe_b64encode(derived.derive(settings.KEYS_SECRET.encode())))
