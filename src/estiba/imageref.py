"""References to images in registries: `host[:port]/repository[:tag][@digest]`."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from estiba.digest import Digest
from estiba.errors import ImageRefError

DEFAULT_TAG: Final = "latest"

# The grammars of names and tags are those of the OCI distribution-spec, "Pulling manifests".
_REPOSITORY: Final = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_HOST: Final = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?")
_LOOPBACK: Final = re.compile(r"(localhost|127(\.[0-9]{1,3}){3}|\[::1\])(:[0-9]+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRef:
    """Reference to an image in a registry.

    Attributes:
        host: Host name of the registry, with its port unless that is the scheme's default.
        repository: Name of the repository, without the host.
        tag: Tag, or an empty string.
        digest: Digest of an index or manifest, or None.
    """

    host: str
    repository: str
    tag: str = ""
    digest: Digest | None = None

    def __str__(self) -> str:
        """Return the reference as `host[:port]/repository[:tag][@digest]`."""
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.host}/{self.repository}{tag}{digest}"

    @property
    def reference(self) -> str:
        """The `<reference>` of the registry's API: the digest if there is one, else the tag, else `latest`."""
        return str(self.digest) if self.digest else self.tag or DEFAULT_TAG

    @property
    def is_loopback(self) -> bool:
        """Whether the registry runs on this machine, where plain HTTP is safe."""
        return bool(_LOOPBACK.fullmatch(self.host))

    def at(self, digest: Digest) -> ImageRef:
        """Return the same reference with a digest."""
        return replace(self, digest=digest)

    @classmethod
    def parse(cls, text: str) -> ImageRef:
        """Parse a reference.

        Raises:
            ImageRefError: The reference has no registry host, or a part has characters that are not allowed.
        """
        host, slash, rest = text.partition("/")
        # As in Docker, a dot, a colon or `localhost` tells a host from the first part of a repository name.
        if not slash or not (host == "localhost" or "." in host or ":" in host):
            message = f"image reference {text!r} names no registry host"
            raise ImageRefError(message, hint=f"write HOST/{text or 'NAME:TAG'}; no registry is assumed")
        if not _HOST.fullmatch(host):
            message = f"image reference {text!r}: {host!r} is not a host name"
            raise ImageRefError(message, hint="write HOST[:PORT]/NAME:TAG, without https://")
        repository, tag, digest = _split(rest, text)
        return cls(host=host, repository=repository, tag=tag, digest=digest)


def is_reference(text: str) -> bool:
    """Tell whether a text is a valid reference with a registry host."""
    try:
        ImageRef.parse(text)
    except ImageRefError:
        return False
    return True


def parse_local(text: str) -> tuple[str, str]:
    """Split an image name of a Docker engine, `[HOST/]NAME[:TAG]`, into name and tag.

    Raises:
        ImageRefError: A part has characters that are not allowed, or there is a digest.
    """
    host, slash, rest = text.partition("/")
    has_host = bool(slash) and (host == "localhost" or "." in host or ":" in host)
    repository, tag, digest = _split(rest if has_host else text, text)
    if digest:
        message = f"image name {text!r}: an engine takes a name and a tag, no digest"
        raise ImageRefError(message, hint="leave out what follows the @")
    return f"{host}/{repository}" if has_host else repository, tag or DEFAULT_TAG


def _split(rest: str, text: str) -> tuple[str, str, Digest | None]:
    """Split a reference without its host, `rest`, into repository, tag and digest."""
    named, at, digits = rest.partition("@")
    repository, colon, tag = named.partition(":")
    if not _REPOSITORY.fullmatch(repository):
        message = f"image reference {text!r}: {repository!r} is not a repository name"
        raise ImageRefError(message, hint="use lower-case letters, digits and single . _ - or / between them")
    if colon and not _TAG.fullmatch(tag):
        message = f"image reference {text!r}: {tag!r} is not a tag"
        raise ImageRefError(message, hint="use letters, digits and . _ -, at most 128 of them")
    try:
        return repository, tag, Digest.parse(digits) if at else None
    except ValueError as error:
        message = f"image reference {text!r}: {digits!r} is not a digest"
        raise ImageRefError(message, hint="write @sha256: and 64 hexadecimal digits") from error
