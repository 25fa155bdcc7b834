"""Comparison of the files of a cache with the database."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from caches import published, storage
from protocol import nix32

if TYPE_CHECKING:
    from caches.models import Cache, NarFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What was found.

    Attributes:
        cache: Name of the cache.
        paths: Number of its paths.
        damaged: Base names of the paths whose NAR is not what it should be, with the reasons.
        written: Number of paths whose published files were written.
        removed: Number of published files that belonged to nothing, and were removed.
    """

    cache: str
    paths: int
    damaged: tuple[tuple[str, str], ...]
    written: int
    removed: int

    def __str__(self) -> str:
        """Return a line about it."""
        return (
            f"{self.cache}: {self.paths} paths, {len(self.damaged)} damaged, {self.written} published again, "
            f"{self.removed} files of no path removed"
        )


def check(cache: Cache, *, thorough: bool = False) -> Outcome:
    """Find lost and damaged NARs, and complete what the web server sends by itself.

    Args:
        cache: The cache.
        thorough: Read all NARs. One that has another hash is removed, so that the next push brings it.
    """
    damaged: list[tuple[str, str]] = []
    for file in cache.nar_files.filter(paths__isnull=False).distinct().iterator():
        if reason := _find_damage(file, thorough=thorough):
            names = file.paths.order_by("base_name").values_list("base_name", flat=True)
            damaged += [(name, reason) for name in names]
    written, removed = published.complete(cache)
    return Outcome(
        cache=cache.name, paths=cache.paths.count(), damaged=tuple(sorted(damaged)), written=written, removed=removed
    )


def _find_damage(file: NarFile, *, thorough: bool) -> str:
    """Return why a NAR is not what it should be, or an empty string."""
    size = storage.size_of(file.place)
    if size != file.file_size:
        return "its NAR is lost" if size < 0 else f"its NAR has {size} bytes instead of {file.file_size}"
    if not thorough:
        return ""
    with storage.locate(file.place).open("rb") as opened:
        found = nix32.encode(hashlib.file_digest(opened, "sha256").digest())
    if found == file.file_hash:
        return ""
    published.remove(file.cache, [published.name_nar(file)])
    storage.remove(file.place)
    return f"its NAR had the hash sha256:{found}, and was removed"
