"""Signing keys of binary caches: Ed25519 in Nix's notation, `name:base64`; the secret one is a file of its owner's."""

from __future__ import annotations

import base64
import binascii
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from estiba.errors import CacheError
from estiba.process import run

if TYPE_CHECKING:
    from estiba.process import Runner

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_PUBLIC_BYTES: Final = 32
_SECRET_BYTES: Final = 64
_STORE: Final = Path("/nix/store")
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key; `text` is `name:base64`.

    Raises:
        CacheError: `text` is anything else.
    """

    text: str

    def __post_init__(self) -> None:
        if not _is_key(self.text, _PUBLIC_BYTES):
            message = f"not a public key: {self.text}"
            raise CacheError(message, hint="it is the line NAME:BASE64 that `invoke cache.keygen` prints")

    def __str__(self) -> str:
        """Return the notation of nix.conf."""
        return self.text

    @property
    def name(self) -> str:
        """What signatures call it."""
        return self.text.partition(":")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """A pair of keys: the secret one stays in its file and is read by Nix alone."""

    file: Path
    public: PublicKey


def generate(name: str, file: Path, *, runner: Runner = run) -> SigningKey:
    """Make a pair of keys: the secret one in `file`, the public one beside it, in `file` with `.pub` added.

    Args:
        name: What signatures call it; no two keys may share one.
        file: Must not exist.
        runner: Runs Nix.

    Raises:
        CacheError: The name is unusable, the file exists, or lies where others could get a copy of it.
    """
    if not _NAME.fullmatch(name):
        message = f"not a key's name: {name!r}"
        raise CacheError(message, hint="use letters, digits, dots and dashes, such as cache.example.org-1")
    absolute = file.expanduser().absolute()
    beside = absolute.with_name(f"{absolute.name}.pub")
    _refuse_shared(absolute)
    _refuse_shared(beside)
    secret = runner(["nix", "key", "generate-secret", "--key-name", name]).stdout
    _write(absolute, secret, mode=0o600)
    public = PublicKey(_to_public(secret))
    _write(beside, f"{public}\n", mode=0o644)
    return SigningKey(file=absolute, public=public)


def load(file: Path) -> SigningKey:
    """Read a pair of keys.

    Raises:
        CacheError: There is no such file, it is no secret key, or others can read it.
    """
    absolute = file.expanduser().absolute()
    text = _read(absolute)
    if not _is_key(text, _SECRET_BYTES):
        message = f"{absolute} holds no secret key"
        raise CacheError(message, hint="name the file that `invoke cache.keygen` wrote, not the one that ends in .pub")
    return SigningKey(file=absolute, public=PublicKey(_to_public(text)))


def _to_public(secret: str) -> str:
    """Do what `nix key convert-secret-to-public` does: libsodium's secret keys are the seed and the public key."""
    name, _, encoded = secret.strip().partition(":")
    return f"{name}:{base64.b64encode(base64.b64decode(encoded)[-_PUBLIC_BYTES:]).decode()}"


def _is_key(text: str, size: int) -> bool:
    name, _, encoded = text.strip().partition(":")
    try:
        return bool(_NAME.fullmatch(name)) and len(base64.b64decode(encoded, validate=True)) == size
    except binascii.Error:
        return False


def _read(file: Path) -> str:
    try:
        text = file.read_text(encoding="ascii")
        mode = file.stat().st_mode
    except FileNotFoundError as error:
        message = f"no signing key at {file}"
        raise CacheError(message, hint="make one: invoke cache.keygen") from error
    except (OSError, UnicodeDecodeError) as error:
        message = f"cannot read a signing key from {file}: {getattr(error, 'strerror', None) or 'not text'}"
        raise CacheError(message) from error
    if _STORE in file.resolve().parents:
        message = f"{file} is in the Nix store, which everybody on this machine can read"
        raise CacheError(message, hint="make a new key: invoke cache.keygen")
    if mode & _OTHERS:
        message = f"other users can read {file}"
        raise CacheError(message, hint=f"chmod 600 {file}")
    return text


def _refuse_shared(file: Path) -> None:
    """Refuse places whose contents get copied into the Nix store, where everybody can read them."""
    if file.exists():
        message = f"{file} exists; what it signed would lose its key"
        raise CacheError(message, hint="name another file: --file FILE")
    for folder in file.resolve().parents:
        if folder == _STORE or (folder / "flake.nix").exists():
            message = f"{file} would be copied into the Nix store with {folder}, and everybody could read it"
            raise CacheError(message, hint="name a file elsewhere: --file FILE")


def _write(file: Path, text: str, *, mode: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError as error:
        message = f"{file} exists"
        raise CacheError(message, hint="name another file: --file FILE") from error
    with os.fdopen(handle, "w", encoding="ascii") as opened:
        os.fchmod(handle, mode)
        opened.write(text)
