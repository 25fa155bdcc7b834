"""Pins: names that keep store paths with their closures."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from django.db import transaction

from caches.access import Refusal
from caches.locks import locked
from caches.models import Cache, Pin

if TYPE_CHECKING:
    from caches.access import Visit

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+-]{0,199}")
KEEP: Final = 5
"""How many store paths of a name are kept, unless somebody says otherwise."""


def pin(visit: Visit, name: str, base_name: str, *, keep: int = KEEP) -> Pin:
    """Give a store path a name; of the earlier ones with it the newest stay, `keep` in all.

    Raises:
        Refusal: The name is unusable, or the cache does not have the path.
    """
    if not NAME.fullmatch(name):
        raise Refusal(422, f"a pin cannot be called {name!r}: use letters, digits and -._/+")
    if keep < 1:
        raise Refusal(422, f"keep is {keep}, and at least one path has to be kept")
    with locked(visit.cache):
        # Two that pin under one name at the same time come one after the other.
        cache = Cache.objects.select_for_update(no_key=True).get(pk=visit.cache.pk)
        path = cache.paths.filter(base_name=base_name).first()
        if path is None:
            raise Refusal(404, f"the cache does not have {base_name}")
        Pin.objects.filter(cache=cache, name=name, path=path).delete()
        made = Pin.objects.create(cache=cache, name=name, path=path, created_by=visit.token)
        kept = list(Pin.objects.filter(cache=cache, name=name).order_by("-pk").values_list("pk", flat=True)[:keep])
        Pin.objects.filter(cache=cache, name=name).exclude(pk__in=kept).delete()
        visit.record("pin", f"{name} {base_name}"[:300])
    return made


def unpin(visit: Visit, name: str) -> int:
    """Remove a name from all its store paths; return how many there were.

    Raises:
        Refusal: There are none.
    """
    with transaction.atomic():
        count, _ = Pin.objects.filter(cache=visit.cache, name=name).delete()
        if not count:
            raise Refusal(404, f"no pin is called {name!r}")
        visit.record("unpin", name)
    return count
