"""`manage.py pin`: keep a store path under a name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from caches import pins
from caches.access import Refusal, Visit
from caches.models import Cache

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    """Pins a path, or removes a pin."""

    help = "Keep a store path with its closure under a name, or remove the name."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("cache", help="name of the cache")
        parser.add_argument("name", help="name of the pin")
        parser.add_argument("path", nargs="?", default="", help="the store path; without it the pin is removed")
        parser.add_argument("--keep", type=int, default=pins.KEEP, help="how many paths of this name are kept")

    def handle(self, *args: Any, **options: Any) -> None:
        """Pin."""
        del args
        cache = Cache.objects.filter(name=options["cache"]).first()
        if cache is None:
            message = f"no cache named {options['cache']!r}"
            raise CommandError(message)
        visit = Visit(cache=cache, token=None)
        try:
            if options["path"]:
                pins.pin(visit, options["name"], options["path"].rpartition("/")[2], keep=options["keep"])
            else:
                pins.unpin(visit, options["name"])
        except Refusal as refusal:
            raise CommandError(str(refusal)) from refusal
