"""Removal of a store path that somebody wants gone before nothing needs it: never one that something does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.db import transaction
from django.utils import timezone

from caches import collection
from caches.access import Refusal
from caches.locks import locked
from caches.models import LEASE, Lease, Pin, Reference, StorePath

if TYPE_CHECKING:
    from caches.access import Visit

_SHOWN: Final = 5


def remove(visit: Visit, base_name: str, *, dry_run: bool = False) -> StorePath:
    """Delete a store path, and return what it was; its NAR stays for readers as after a collection.

    Args:
        visit: Who asks.
        base_name: Name of the path, without the folder of the store.
        dry_run: Change nothing.

    Raises:
        Refusal: The cache does not have it, or a pin, another path or a pusher needs it.
    """
    with locked(visit.cache, alone=True):
        # A promise to a pusher takes no lock but the row's.
        path = visit.cache.paths.select_for_update().filter(base_name=base_name).first()
        if path is None:
            raise Refusal(404, f"the cache does not have {base_name}")
        if reason := _find_need(path):
            raise Refusal(409, f"{base_name} is needed: {reason}")
        collection.delete(visit.cache, [path.pk])
        visit.record("delete", base_name)
        if not dry_run:
            collection.unpublish(visit.cache, [base_name])
        transaction.set_rollback(dry_run)
    return path


def _find_need(path: StorePath) -> str:
    """Return what needs a path and what to do about it, or an empty string; age alone needs nothing."""
    if names := sorted(set(Pin.objects.filter(path=path).values_list("name", flat=True))):
        return f"it is pinned as {_list(names)}; unpin it first"
    edges = Reference.objects.filter(target=path).order_by("referrer__base_name")
    if referrers := list(edges.values_list("referrer__base_name", flat=True)[: _SHOWN + 1]):
        return f"others refer to it, which have to go first: {_list(referrers)}"
    now = timezone.now()
    leases = Lease.objects.filter(cache=path.cache_id, hash_part=path.hash_part, expires_at__gt=now)
    end = max([path.pushed_at + LEASE, *leases.values_list("expires_at", flat=True)])
    return f"a push counts on it until {end:%Y-%m-%d %H:%M} UTC" if end > now else ""


def _list(names: list[str]) -> str:
    return ", ".join([*names[:_SHOWN], *(["…"] if names[_SHOWN:] else [])])
