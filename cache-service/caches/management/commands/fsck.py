"""`manage.py fsck`: compare the files of caches with the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from caches import fsck
from caches.models import Cache

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    """Checks and completes, and fails if NARs are lost or damaged."""

    help = "Find NARs that are lost or damaged, and complete what the web server sends by itself."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("--cache", default="", help="name of the cache; by default all")
        parser.add_argument("--read", action="store_true", help="read all NARs and check their hashes, not sizes alone")

    def handle(self, *args: Any, **options: Any) -> None:
        """Check."""
        del args
        caches = Cache.objects.order_by("name")
        chosen = caches.filter(name=options["cache"]) if options["cache"] else caches
        if options["cache"] and not chosen:
            message = f"no cache named {options['cache']!r}"
            raise CommandError(message)
        found = [fsck.check(cache, thorough=options["read"]) for cache in chosen]
        for one in found:
            self.stdout.write(str(one))
            for name, reason in one.damaged:
                self.stdout.write(f"  {name}: {reason}")
        if any(one.damaged for one in found):
            message = "push these paths again, which replaces their NARs"
            raise CommandError(message)
