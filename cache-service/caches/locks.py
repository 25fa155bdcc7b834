"""Locks of PostgreSQL, each with the number of a cache, until the end of a transaction."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from django.db import connection, transaction

if TYPE_CHECKING:
    from collections.abc import Iterator

    from caches.models import Cache

_PATHS: Final = 0x6E6172
"""Publications share it, and a collection has it alone."""

_ROWS: Final = 0x6E6173
"""Publications take turns at it while they write: two that write in different order would wait for each other."""


@contextmanager
def locked(cache: Cache, *, alone: bool = False) -> Iterator[None]:
    """Begin a transaction during which the paths of a cache are not collected, or are collected by nobody else."""
    with transaction.atomic():
        _lock(_PATHS, cache, "pg_advisory_xact_lock" if alone else "pg_advisory_xact_lock_shared")
        yield


@contextmanager
def writing(cache: Cache) -> Iterator[None]:
    """Begin a transaction during which nobody else writes paths of a cache, or collects them."""
    with locked(cache):
        _lock(_ROWS, cache, "pg_advisory_xact_lock")
        yield


def _lock(kind: int, cache: Cache, function: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s, %s)", [kind, cache.pk])
