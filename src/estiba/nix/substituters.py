"""Failures of substituters (binary caches) during a build, which goes on without them."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from estiba.nix.log import BuildLog

_DOWN: Final = re.compile(
    r"(?:disabling binary cache|unable to download) '(?P<url>[^']+)'(?!.*; retrying in)", re.DOTALL
)
_OBJECT: Final = re.compile(r"/(?:nix-cache-info|[0-9a-z]{32}\.narinfo|nar/[^/]+)$")
_UNSIGNED: Final = re.compile(r"ignoring substitute for '[^']+' from '(?P<url>[^']+)', as it's not signed")
_DAMAGED: Final = re.compile(
    r"hash mismatch importing path|NAR for '.*' fetched from|does not exist in binary cache|bad archive:"
    r"|failed to read compressed data|compression not recognized|[Ff]ailed to open archive"
)
_PATH: Final = re.compile(r"'(?P<path>/nix/store/[^']+)'")
_RESTRICTED: Final = re.compile(r"client-specified setting '(?:extra-)?(?:substituters|trusted-public-keys)'")


def explain_failures(log: BuildLog) -> list[str]:
    """Return a sentence for each cache that was unreachable, or served damaged or untrusted store paths."""
    messages = [*log.warnings, *log.errors]
    found = [*_unreachable(messages), *_untrusted(messages), *_damaged(log)]
    if any(_RESTRICTED.search(text) for text in messages):
        found.append(
            "this machine's Nix lets only root choose caches; the lines of `invoke cache.use … --print` belong into "
            "/etc/nix/nix.conf"
        )
    return found


def _unreachable(messages: Iterable[str]) -> list[str]:
    """Report the caches that Nix disabled; a failed download may also be that of something else, such as a flake."""
    matches = [match for text in messages if (match := _DOWN.match(text))]
    caches = {
        _OBJECT.sub("", match["url"])
        for match in matches
        if match[0].startswith("disabling") or _OBJECT.search(match["url"])
    }
    return [f"the cache at {url} does not answer; went on without it" for url in sorted(caches)]


def _untrusted(messages: Iterable[str]) -> list[str]:
    counts = Counter(match["url"] for text in messages if (match := _UNSIGNED.match(text)))
    return [
        f"the cache at {url} has {count} paths that no trusted key signed; refused them. "
        f"`invoke cache.use {url} --public-key KEY` trusts a key"
        for url, count in sorted(counts.items())
    ]


def _damaged(log: BuildLog) -> list[str]:
    """Report the caches whose archives Nix refused; not every message of Nix names the cache."""
    reasons: dict[str, list[str]] = {}
    for text in log.errors:
        if _DAMAGED.search(text):
            reasons.setdefault(_origin(log, text), []).append(" ".join(text.split()))
    return [
        f"{origin} is damaged; refused what it sent: {texts[0]}. `invoke cache.info … --verify` lists all of it"
        for origin, texts in sorted(reasons.items())
    ]


def _origin(log: BuildLog, text: str) -> str:
    """Return the cache that an error is about: that of its store path, else all that were used."""
    match = _PATH.search(text)
    known = (
        {log.substituted[match["path"]]} if match and match["path"] in log.substituted else {*log.substituted.values()}
    )
    return f"the cache at {' or '.join(sorted(known))}" if known else "a cache"
