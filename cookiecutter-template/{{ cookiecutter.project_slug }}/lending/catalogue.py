"""The catalogue in a cache of its own, from which it is read until an item changes."""

from typing import Any

from django.core.cache import caches
from django.db import transaction
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from lending.models import Item

KEY = "items"
FIELDS = ("id", "code", "name", "description")


def read() -> list[dict[str, Any]]:
    """Return all items, from the cache where they are."""
    return caches["catalogue"].get_or_set(KEY, lambda: list(Item.objects.values(*FIELDS)))


def forget() -> None:
    """Drop what is in the cache."""
    caches["catalogue"].delete(KEY)


@receiver([post_save, post_delete], sender=Item)
def forget_after_change(**_: Any) -> None:
    """Drop the cache as soon as others can see the change; before, they would fill it with what was."""
    transaction.on_commit(forget)
