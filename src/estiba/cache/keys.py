"""Ed25519 signing keys of binary caches, in Nix's notation `name:base64` (Nix manual, `nix key`)."""

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
    """Public key.

    Attributes:
        text: The key as `name:base64`.

    Raises:
        CacheError: `text` has another form.
    """

    text: str

    def __post_init__(self) -> None:
        if not _is_key(self.text, _PUBLIC_BYTES):
            message = f"not a public key: {self.text}"
            raise CacheError(message, hint="it is the line NAME:BASE64 that `invoke cache.keygen` prints")

    def __str__(self) -> str:
        """Return the key as in `trusted-public-keys` of nix.conf(5)."""
        return self.text

    @property
    def name(self) -> str:
        """Name of the key, which its signatures carry."""
        return self.text.partition(":")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """Key pair: file of the secret key, which only Nix signs with, and public key."""

    file: Path
    public: PublicKey


def generate(name: str, file: Path, *, runner: Runner = run) -> SigningKey:
    """Generate a key pair: the secret key in `file` (mode 0600), the public key in the same path with `.pub` added.

    Args:
        name: Name of the key; Nix takes two keys of one name for the same.
        file: File for the secret key, which must not exist.
        runner: Runs Nix.

    Raises:
        CacheError: The name is invalid, a file exists, or its folder is copied into the Nix store.
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
    """Read a key pair from the file of its secret key.

    Raises:
        CacheError: The file is missing, is not a secret key, or can be read by other users.
    """
    absolute = file.expanduser().absolute()
    text = _read(absolute)
    if not _is_key(text, _SECRET_BYTES):
        message = f"{absolute} holds no secret key"
        raise CacheError(message, hint="name the file that `invoke cache.keygen` wrote, not the one that ends in .pub")
    return SigningKey(file=absolute, public=PublicKey(_to_public(text)))


def _to_public(secret: str) -> str:
    """Return the public key of a secret one: libsodium's secret keys are the seed followed by the public key."""
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
        message = f"{file} is in the Nix store, which all users of this machine can read"
        raise CacheError(message, hint="make a new key: invoke cache.keygen")
    if mode & _OTHERS:
        message = f"other users can read {file}"
        raise CacheError(message, hint=f"chmod 600 {file}")
    return text


def _refuse_shared(file: Path) -> None:
    """Refuse an existing file, and folders that are copied into the Nix store, which all users can read."""
    if file.exists():
        message = f"{file} exists; what it signed would lose its key"
        raise CacheError(message, hint="name another file: --file FILE")
    for folder in file.resolve().parents:
        if folder == _STORE or (folder / "flake.nix").exists():
            message = f"{file} would be copied into the Nix store with {folder}, which all users can read"
            raise CacheError(message, hint="name a file elsewhere: --file FILE")


def _write(file: Path, text: str, *, mode: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        # O_EXCL neither overwrites a key nor follows a symbolic link.
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError as error:
        message = f"{file} exists"
        raise CacheError(message, hint="name another file: --file FILE") from error
    # The mode of open(2) is reduced by the umask, that of fchmod(2) is not.
    with os.fdopen(handle, "w", encoding="ascii") as opened:
        os.fchmod(handle, mode)
        opened.write(text)
