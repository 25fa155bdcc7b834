"""`manage.py collect`: delete what no pin, lease or recent push needs."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError
from django.db import close_old_connections

from caches import collection
from caches.models import Cache, StorePath

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    """Collects once, or again and again."""

    help = "Mark the paths that nothing needs, and delete those that were marked a day ago."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("--cache", default="", help="name of the cache; by default all")
        parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
        parser.add_argument("--why", default="", metavar="PATH", help="say why a store path of the cache is kept")
        parser.add_argument("--grace", type=float, default=24, help="hours for which a marked path stays")
        parser.add_argument("--every", type=int, default=0, metavar="SECONDS", help="collect again after each pause")

    def handle(self, *args: Any, **options: Any) -> None:
        """Collect."""
        del args
        if options["why"]:
            self._explain(options["why"], options["cache"])
            return
        while True:
            self._collect(options)
            if not options["every"]:
                return
            time.sleep(options["every"])
            close_old_connections()

    def _collect(self, options: dict[str, Any]) -> None:
        grace = timedelta(hours=options["grace"])
        caches = Cache.objects.order_by("name")
        chosen = caches.filter(name=options["cache"]) if options["cache"] else caches
        if options["cache"] and not chosen:
            message = f"no cache named {options['cache']!r}"
            raise CommandError(message)
        for cache in chosen:
            found = collection.collect(cache, grace=grace, dry_run=options["dry_run"])
            self.stdout.write(f"{'would be: ' if options['dry_run'] else ''}{found}")
            for name in found.deleted:
                self.stdout.write(f"  {name}")
        if not options["dry_run"]:
            collection.remove_strays()

    def _explain(self, path: str, cache: str) -> None:
        part = path.rpartition("/")[2][:32]
        found = StorePath.objects.filter(hash_part=part).select_related("cache").order_by("cache__name")
        chosen = found.filter(cache__name=cache) if cache else found
        if not chosen:
            message = f"no cache has {path}"
            raise CommandError(message)
        for one in chosen:
            self.stdout.write(f"{one.cache.name}: {collection.explain(one)}")
