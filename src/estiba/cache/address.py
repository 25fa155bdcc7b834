"""Addresses of binary caches: a folder or an HTTP server."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote, urlencode, urlsplit

from estiba.errors import CacheError

_SCHEMES: Final = frozenset({"http", "https", "file"})
_SCHEME: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Address of a binary cache.

    Attributes:
        url: Store URL for Nix, without parameters and without a slash at the end.
        folder: Folder of a local cache, or None for a server.
    """

    url: str
    folder: Path | None

    def __str__(self) -> str:
        """Return the URL."""
        return self.url

    @classmethod
    def parse(cls, text: str) -> Address:
        """Parse a path, or a URL of the scheme `file`, `http` or `https`.

        Raises:
            CacheError: The text is neither, or has a user name or password.
        """
        if not text.strip():
            message = "the cache's address is empty"
            raise CacheError(message, hint="give a folder, or a URL such as https://cache.example.org")
        if not text.isprintable() or (" " in text and _SCHEME.match(text)):
            message = f"the cache's address has a space or a control character: {text!r}"
            raise CacheError(message, hint="nix.conf has one setting in each line, with spaces between its values")
        if not _SCHEME.match(text):
            return cls._of_folder(Path(text))
        parts = urlsplit(text)
        if parts.scheme not in _SCHEMES or parts.query or parts.fragment:
            message = f"not a cache's address: {text}"
            raise CacheError(message, hint="give a folder, or a URL such as https://cache.example.org")
        if parts.username is not None or parts.password is not None:
            message = f"the address of the cache at {parts.hostname} holds a password, which would end up in logs"
            raise CacheError(message, hint="put it into a netrc file, and that into nix.conf: netrc-file = FILE")
        if parts.scheme == "file":
            return cls._of_folder(Path(unquote(parts.path)))
        return cls(url=text.rstrip("/"), folder=None)

    @classmethod
    def _of_folder(cls, folder: Path) -> Address:
        absolute = folder.expanduser().resolve()
        return cls(url=f"file://{quote(str(absolute))}", folder=absolute)

    def store(self, **parameters: str) -> str:
        """Return the store URL with parameters, as for `nix copy --to` (Nix manual, "Store URL format")."""
        return f"{self.url}?{urlencode(parameters, safe='/', quote_via=quote)}" if parameters else self.url
