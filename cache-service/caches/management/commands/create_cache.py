"""`manage.py create_cache`: make a cache with its signing key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from caches.models import Cache, SigningKey

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    """Makes a cache and prints its public key."""

    help = "Make a cache with a signing key, and print the public key."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("name", help="first part of its address")
        parser.add_argument("--public", action="store_true", help="let everybody read")
        parser.add_argument("--keep-days", type=int, default=30, help="days for which unpinned paths are kept")
        parser.add_argument("--key-name", default="", help="name of the key; by default the cache's with -1")

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        """Make it."""
        del args
        cache = Cache(name=options["name"], is_public=options["public"], keep_days=options["keep_days"])
        try:
            cache.full_clean()
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from error
        cache.save()
        self.stdout.write(SigningKey.generate(cache, options["key_name"]).public)
