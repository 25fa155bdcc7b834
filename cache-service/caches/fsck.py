"""Comparison of the files of a cache with the database."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from caches import published, storage
from protocol import nix32

if TYPE_CHECKING:
    from caches.models import Cache, NarFile

LIMIT: Final = 4 << 30
"""Bytes that a step reads, which a slow disk does within the time of a request."""

_FILES: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What was found among some NARs.

    Attributes:
        damaged: Base names of the paths whose NAR is not what it should be, with the reasons.
        written: Number of paths whose published files were missing, or not as they should be.
        removed: Number of published files that belong to nothing; they are looked for in the last step.
        last: Number of the last NAR; 0 in the last step.
    """

    damaged: tuple[tuple[str, str], ...]
    written: int
    removed: int
    last: int


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


def check(cache: Cache, *, thorough: bool = False, repair: bool = True) -> Outcome:
    """Find lost and damaged NARs, and complete what the web server sends by itself.

    Args:
        cache: The cache.
        thorough: Read all NARs.
        repair: Mend what can be mended, and remove a NAR that has another hash, so that the next push brings it.
    """
    steps: list[Step] = []
    while not steps or steps[-1].last:
        steps.append(check_some(cache, thorough=thorough, repair=repair, after=steps[-1].last if steps else 0))
    return Outcome(
        cache=cache.name,
        paths=cache.paths.count(),
        damaged=tuple(sorted(one for step in steps for one in step.damaged)),
        written=sum(step.written for step in steps),
        removed=sum(step.removed for step in steps),
    )


def check_some(cache: Cache, *, thorough: bool, repair: bool, after: int = 0, limit: int = LIMIT) -> Step:
    """Check as many NARs as a request has time for, with the published files of their paths.

    Args:
        cache: The cache.
        thorough: Read the NARs.
        repair: Mend what is found, too.
        after: Number of the NAR that the former step ended with.
        limit: Bytes to read, after which no further NAR is begun.
    """
    reasons: dict[int, str] = {}
    size = 0
    files = list(cache.nar_files.filter(pk__gt=after, paths__isnull=False).distinct().order_by("pk")[: _FILES + 1])
    for file in files[:_FILES]:
        if size >= limit:
            break
        reasons[file.pk] = _find_damage(file, thorough=thorough, repair=repair)
        size += file.file_size if thorough else 0
    rows = list(cache.paths.filter(nar_file__in=reasons).select_related("nar_file").order_by("base_name"))
    damaged = [(row.base_name, reasons[row.nar_file_id]) for row in rows if reasons[row.nar_file_id]]
    written = sum(published.complete(cache, some, dry_run=not repair) for some in published.batched(rows))
    is_end = len(reasons) == len(files)
    removed = published.remove_strays(cache, dry_run=not repair) if is_end else 0
    return Step(damaged=tuple(damaged), written=written, removed=removed, last=0 if is_end else max(reasons))


def _find_damage(file: NarFile, *, thorough: bool, repair: bool) -> str:
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
    if not repair:
        return f"its NAR has the hash sha256:{found}"
    published.remove(file.cache, [published.name_nar(file)])
    storage.remove(file.place)
    return f"its NAR had the hash sha256:{found}, and was removed"
