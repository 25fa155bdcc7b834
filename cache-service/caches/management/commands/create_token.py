"""`manage.py create_token`: give somebody a right to a cache."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from caches.models import Cache, Scope, Token

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    """Makes a token and prints its secret, which nobody can read again."""

    help = "Make a token, and print its secret once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("cache", help="name of the cache")
        parser.add_argument("name", help="whose it is, or what for")
        parser.add_argument("--scope", action="append", choices=Scope.values, help="what it allows; by default read")
        parser.add_argument("--days", type=int, default=0, help="days until it expires; 0 for never")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make it."""
        del args
        cache = Cache.objects.filter(name=options["cache"]).first()
        if cache is None:
            message = f"no cache named {options['cache']!r}"
            raise CommandError(message)
        end = timezone.now() + timedelta(days=options["days"]) if options["days"] else None
        _, secret = Token.create(cache, options["name"], options["scope"] or [Scope.READ], expires_at=end)
        self.stdout.write(secret)
