"""Crashes at the steps of a push and of a collection: what is visible is whole, and the next attempt succeeds.

A crash is an exception that nothing catches, which leaves files as they are and rolls the transaction back, as the end
of a connection does.
"""

from __future__ import annotations

import os
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.utils import timezone

from caches import collection, fsck, publication, published, storage
from caches.models import Cache, Deletion, NarFile, Reference, StorePath
from protocol import narinfo
from tests import nars

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.django_db(transaction=True)


class CrashError(BaseException):
    """The process ends here."""


def crash_at(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, *, after: bool) -> None:
    """Let a function crash before or after it has done its work."""
    original: Callable[..., Any] = getattr(owner, name)

    def crash(*arguments: Any, **options: Any) -> None:
        if after:
            original(*arguments, **options)
        raise CrashError

    monkeypatch.setattr(owner, name, crash)


def check(folder: Path) -> None:
    """Check that each visible path has its NAR, its references, and no file belongs to nobody for ever."""
    for path in StorePath.objects.prefetch_related("references").select_related("nar_file"):
        info = narinfo.parse(path.narinfo)
        assert storage.size_of(path.nar_file.place) == info.file_size
        assert {other.base_name for other in path.references.all()} == set(info.references)
    old = time.time() - 200_000
    for file in folder.rglob("*"):
        os.utime(file, (old, old))
    collection.remove_strays()
    known = set(NarFile.objects.values_list("place", flat=True))
    assert {str(file.relative_to(folder)) for file in nars.stored(folder)} == known
    check_published(folder)


def check_published(folder: Path) -> None:
    """Check that the web server shows by itself nothing that the database does not, and all of it after a repair."""

    def find() -> dict[str, bytes]:
        files = [file for name in published.FOLDERS.values() for file in (folder / name).rglob("*")]
        return {str(file.relative_to(folder)): file.read_bytes() for file in files if file.is_file()}

    wanted = {}
    for path in StorePath.objects.select_related("nar_file", "cache"):
        own = published.locate(path.cache).relative_to(folder)
        wanted[f"{own}/{published.name_narinfo(path.hash_part)}"] = path.narinfo.encode()
    for file in NarFile.objects.filter(is_published=True).select_related("cache"):
        own = published.locate(file.cache).relative_to(folder)
        wanted[f"{own}/{published.name_nar(file)}"] = storage.locate(file.place).read_bytes()
    assert find().items() <= wanted.items()
    for cache in Cache.objects.all():
        fsck.check(cache)
        found = fsck.check(cache)
        assert (found.written, found.removed) == (0, 0)
    having_paths = {name for name in wanted if name.endswith(".narinfo")}
    assert having_paths <= find().keys()
    assert find().items() <= wanted.items()


PUSH = [
    (storage.Draft, "keep", False),
    (storage.Draft, "keep", True),
    (publication, "_check_nar", False),
    (publication, "_take", True),
    (Reference.objects, "bulk_create", True),
    (publication, "_insert", True),
]
LATE = [(published, "write", False), (published, "_write", False), (published, "_link", True), (storage, "sync", False)]


@pytest.mark.parametrize(("owner", "name", "after"), PUSH, ids=[f"{name}-{after}" for _, name, after in PUSH])
def test_push_that_crashes(
    place: nars.Place, folder: Path, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, *, after: bool
) -> None:
    """A path is visible before the crash, or not at all, and is pushed again without anybody's help."""
    base, user = nars.make(1), nars.make(2, nars.name_of(1))
    place.push(base)
    with monkeypatch.context() as patched:
        crash_at(patched, owner, name, after=after)
        with pytest.raises(CrashError):
            place.push(user)

    assert place.get(f"{user.info.hash_part}.narinfo").status_code == 404
    check(folder)
    assert place.push(user).status_code == 201
    check(folder)


@pytest.mark.parametrize(("owner", "name", "after"), LATE, ids=[f"{name}-{after}" for _, name, after in LATE])
def test_push_that_crashes_after_its_publication(
    place: nars.Place, folder: Path, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, *, after: bool
) -> None:
    """What is published is there, whether the web server can send it by itself or not."""
    made = nars.make(1)
    with monkeypatch.context() as patched:
        crash_at(patched, owner, name, after=after)
        with pytest.raises(CrashError):
            place.push(made)

    assert place.get(f"{made.info.hash_part}.narinfo", stranger=True).status_code == 200
    check(folder)
    assert place.push(made).status_code == 201
    check(folder)


COLLECTION = [
    (collection, "_mark", True),
    (collection, "_find_unneeded", True),
    (collection, "_delete_paths", True),
    (collection, "_delete_files", True),
    (published, "remove", False),
    (published, "remove", True),
    (storage, "remove", False),
    (storage, "remove", True),
]


@pytest.mark.parametrize(
    ("owner", "name", "after"), COLLECTION, ids=[f"{name}-{after}" for _, name, after in COLLECTION]
)
def test_collection_that_crashes(
    place: nars.Place, folder: Path, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, *, after: bool
) -> None:
    """The next collection does what was left."""
    for made in (nars.make(1), nars.make(2, nars.name_of(1))):
        place.push(made)
    place.cache.paths.update(pushed_at=timezone.now() - timedelta(days=40))

    def collect() -> None:
        NarFile.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
        collection.collect(place.cache, grace=timedelta(0))
        NarFile.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
        collection.collect(place.cache, grace=timedelta(0))
        collection.remove_strays()

    with monkeypatch.context() as patched:
        crash_at(patched, owner, name, after=after)
        with pytest.raises(CrashError):
            collect()
    assert not connection.in_atomic_block
    check(folder)

    collect()

    assert not StorePath.objects.exists()
    assert not NarFile.objects.exists()
    assert not Deletion.objects.exists()
    assert nars.stored(folder) == []
    check(folder)
