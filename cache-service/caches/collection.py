"""Collection: what no pin, lease or recent push needs is marked, and after a time of grace deleted.

Everything that is reachable from a root stays, so that what is visible is always whole. A marked path is still served,
and counts as present for those who push: their promise makes it a root again, which each deletion looks at anew.
"""

from __future__ import annotations

import itertools
import logging
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from caches import published, storage
from caches.locks import locked
from caches.models import LEASE, Deletion, Lease, NarFile, Pin, Reference, StorePath
from protocol import narinfo

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from caches.models import Cache

GRACE: Final = timedelta(days=1)
"""How long a path stays after it was marked."""

_LINGER: Final = timedelta(hours=6)
"""How long a NAR stays after its last narinfo is gone, which a client may have read just before."""

_STRAY: Final = timedelta(days=1)
"""How old a file without a row has to be: one that is being received has none."""

_BATCH: Final = 1000
logger = logging.getLogger(__name__)

# The roots of a cache; `pushed` is the time before which a push does not count any more.
_IS_ROOT: Final = """
    path.pushed_at >= %(pushed)s
    OR EXISTS (SELECT FROM caches_pin pin WHERE pin.path_id = path.id)
    OR EXISTS (
        SELECT FROM caches_lease lease
        WHERE lease.cache_id = path.cache_id AND lease.hash_part = path.hash_part AND lease.expires_at > %(now)s
    )
"""
# `marked` is the time before which a path must have been marked to be deleted; all other paths keep what they refer to.
_KEPT: Final = f"""
    WITH RECURSIVE kept(id) AS (
        SELECT path.id FROM caches_storepath path
        WHERE path.cache_id = %(cache)s AND ({_IS_ROOT} OR %(marked)s AND path.tombstoned_at >= %(cutoff)s
            OR %(marked)s AND path.tombstoned_at IS NULL)
        UNION
        SELECT reference.target_id FROM kept JOIN caches_reference reference ON reference.referrer_id = kept.id
    )
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a collection has done, or would do.

    Attributes:
        cache: Name of the cache.
        kept: Number of paths that roots need.
        marked: Number of paths that no root needs since this collection.
        deleted: Base names of the paths that were deleted.
        files: Number of NARs that were deleted.
        size: Their size in bytes.
    """

    cache: str
    kept: int
    marked: int
    deleted: tuple[str, ...]
    files: int
    size: int

    def __str__(self) -> str:
        """Return a line about it."""
        return (
            f"{self.cache}: {self.kept} paths kept, {self.marked} marked, {len(self.deleted)} deleted, "
            f"{self.files} NARs with {self.size} bytes deleted"
        )


def collect(cache: Cache, *, grace: timedelta = GRACE, dry_run: bool = False) -> Outcome:
    """Mark the paths of a cache that nothing needs, and delete those that were marked before.

    Args:
        cache: The cache.
        grace: How long a path stays after it was marked.
        dry_run: Change nothing.
    """
    # Both begin with the lock, so that they hold no row that a publication waits for.
    with locked(cache, alone=True):
        kept, marked = _mark(cache)
        transaction.set_rollback(dry_run)
    Lease.objects.filter(cache=cache, expires_at__lt=timezone.now()).delete()
    with locked(cache, alone=True):
        deleted, gone = _delete_paths(cache, grace), _delete_files(cache)
        if not dry_run:
            unpublish(cache, deleted, gone)
        transaction.set_rollback(dry_run)
    size = sum(file.file_size for file in gone)
    return Outcome(cache=cache.name, kept=kept, marked=marked, deleted=deleted, files=len(gone), size=size)


def explain(path: StorePath) -> str:
    """Return why a path is kept: its root, and the references that lead from there to it, or that nothing does."""
    came_from: dict[int, StorePath | None] = {path.pk: None}
    level = [path]
    while level:
        for one in level:
            if reason := _find_reason(one):
                return " → ".join([reason, *(step.base_name for step in _way_down(one, came_from))])
        found = (
            Reference.objects.filter(target__in=level)
            .exclude(referrer__in=list(came_from))
            .select_related("referrer__cache", "target")
        )
        ways = {edge.referrer_id: edge for edge in found}
        came_from |= {edge.referrer_id: edge.target for edge in ways.values()}
        level = [edge.referrer for edge in ways.values()]
    since = f"marked on {path.tombstoned_at:%Y-%m-%d %H:%M}" if path.tombstoned_at else "not marked yet"
    return f"nothing keeps {path.base_name}; it is {since}"


def delete(cache: Cache, numbers: Sequence[int]) -> tuple[str, ...]:
    """Delete the rows of paths, under the lock of a collection, and their listings; return the base names.

    Their NARs stay for a time, and what the web server sends is a matter of `unpublish`.
    """
    doomed = StorePath.objects.filter(cache=cache, pk__in=numbers)
    names = tuple(doomed.order_by("base_name").values_list("base_name", flat=True))
    NarFile.objects.filter(paths__in=numbers).update(leased_until=timezone.now() + _LINGER)
    cache.documents.filter(place__in=[f"{name[: narinfo.HASH_DIGITS]}.ls" for name in names]).delete()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM caches_reference WHERE referrer_id = ANY(%s)", [list(numbers)])
        cursor.execute("DELETE FROM caches_storepath WHERE id = ANY(%s)", [list(numbers)])
    return names


def unpublish(cache: Cache, deleted: Iterable[str], gone: Iterable[NarFile] = ()) -> None:
    """Remove what the web server sends by itself of the rows that are about to go."""
    published.remove(cache, (published.name_narinfo(name[: narinfo.HASH_DIGITS]) for name in deleted))
    published.remove(cache, (published.name_nar(file) for file in gone))


def remove_strays() -> int:
    """Delete the files whose deletion is due, and files that a crash has left without a row; return how many."""
    count = 0
    due = Deletion.objects.filter(not_before__lte=timezone.now()).order_by("tried_at", "pk")
    # Those that were tried last come last: what cannot be deleted keeps nothing else from it.
    for row in due[:_BATCH]:
        try:
            storage.remove(row.place)
        except OSError:
            logger.exception("%s cannot be deleted", row.place)
            Deletion.objects.filter(pk=row.pk).update(tried_at=timezone.now())
        else:
            row.delete()
            count += 1
    for file in _find_strays():
        file.unlink(missing_ok=True)
        count += 1
    return count


def _parameters(cache: Cache, cutoff: datetime | None = None) -> dict[str, object]:
    now = timezone.now()
    pushed = now - max(timedelta(days=cache.keep_days), LEASE)
    return {"cache": cache.pk, "now": now, "pushed": pushed, "marked": cutoff is not None, "cutoff": cutoff or now}


def _mark(cache: Cache) -> tuple[int, int]:
    """Mark what no root needs, unmark what one needs again; return how many are kept, and how many were marked."""
    given = _parameters(cache)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""{_KEPT} UPDATE caches_storepath SET tombstoned_at = NULL
            WHERE cache_id = %(cache)s AND tombstoned_at IS NOT NULL AND id IN (SELECT id FROM kept)""",
            given,
        )
        cursor.execute(
            f"""{_KEPT} UPDATE caches_storepath SET tombstoned_at = %(now)s
            WHERE cache_id = %(cache)s AND tombstoned_at IS NULL AND id NOT IN (SELECT id FROM kept)""",
            given,
        )
        marked = cursor.rowcount
    return cache.paths.filter(tombstoned_at=None).count(), marked


def _delete_paths(cache: Cache, grace: timedelta) -> tuple[str, ...]:
    """Delete paths that were marked long enough ago, and that no root and no other path needs now."""
    given = _parameters(cache, timezone.now() - grace)
    found = _find_unneeded(given)
    # What was promised to a pusher before it was locked is needed now; what it refers to is, too.
    list(StorePath.objects.select_for_update().filter(pk__in=found).order_by("pk").values_list("pk"))
    numbers = sorted(found & _find_unneeded(given))
    return delete(cache, numbers)


def _find_unneeded(given: dict[str, object]) -> set[int]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"{_KEPT} SELECT id FROM caches_storepath WHERE cache_id = %(cache)s AND id NOT IN (SELECT id FROM kept)",
            given,
        )
        return {row[0] for row in cursor.fetchall()}


def _delete_files(cache: Cache) -> list[NarFile]:
    """Delete the rows of NARs that no path has, and note their files."""
    now = timezone.now()
    unused = cache.nar_files.filter(paths=None, leased_until__lt=now)
    locked_files = NarFile.objects.filter(pk__in=unused.values("pk")).order_by("pk").select_for_update()
    # One that was promised to a pusher before it was locked is none of them any more.
    gone = [file for file in locked_files if file.leased_until < now]
    Deletion.objects.bulk_create(Deletion(place=file.place, not_before=now) for file in gone)
    NarFile.objects.filter(pk__in=[file.pk for file in gone]).delete()
    return gone


def _find_strays() -> Iterator[Path]:
    """Yield old files that have no row: of uploads that were cut off, and of a crash before the row was written."""
    before = time.time() - _STRAY.total_seconds()
    folders = (settings.NAR_FOLDER / name for name in (storage.DRAFTS, storage.NARS))
    old = (file for folder in folders for file in folder.rglob("*") if _is_older(file, before))
    while places := {str(file.relative_to(settings.NAR_FOLDER)) for file in itertools.islice(old, _BATCH)}:
        for model in (NarFile, Deletion):
            places -= set(model.objects.filter(place__in=places).values_list("place", flat=True))
        yield from (storage.locate(place) for place in places)


def _is_older(file: Path, before: float) -> bool:
    try:
        return file.is_file() and file.stat().st_mtime < before
    except FileNotFoundError:
        # The draft of an upload that has just ended.
        return False


def _find_reason(path: StorePath) -> str:
    """Return why a path itself is a root, or an empty string."""
    if pin := Pin.objects.filter(path=path).order_by("-created_at").first():
        return f"pin {pin.name}"
    now = timezone.now()
    if Lease.objects.filter(cache=path.cache, hash_part=path.hash_part, expires_at__gt=now).exists():
        return "lease of a push"
    end = path.pushed_at + max(timedelta(days=path.cache.keep_days), LEASE)
    return f"pushed, kept until {end:%Y-%m-%d %H:%M}" if end > now else ""


def _way_down(path: StorePath, came_from: dict[int, StorePath | None]) -> Iterator[StorePath]:
    step: StorePath | None = path
    while step:
        yield step
        step = came_from[step.pk]
