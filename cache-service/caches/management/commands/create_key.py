"""`manage.py create_key`: let a cache sign with another key, too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from caches.models import Cache, SigningKey
from protocol.signature import NAME

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    """Makes a key and prints its public half; former ones sign on, unless they are retired."""

    help = "Make another signing key, or retire one; print the public keys that sign now."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("cache", help="name of the cache")
        parser.add_argument("--name", default="", help="name of the key; by default the cache's with the next number")
        parser.add_argument(
            "--retire", default="", metavar="NAME", help="let this key sign nothing more, and make none"
        )

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        """Make it."""
        del args
        cache = Cache.objects.filter(name=options["cache"]).first()
        if cache is None:
            message = f"no cache named {options['cache']!r}"
            raise CommandError(message)
        if options["retire"]:
            _retire(cache, options["retire"])
        else:
            _make(cache, options["name"])
        for key in cache.sign_keys():
            self.stdout.write(key.public)


def _make(cache: Cache, name: str) -> None:
    if name and not NAME.fullmatch(name):
        message = f"not a key's name: {name!r}"
        raise CommandError(message)
    if SigningKey.objects.filter(name=name).exists():
        message = f"there is a key named {name}; Nix takes two of one name for the same"
        raise CommandError(message)
    SigningKey.generate(cache, name)


def _retire(cache: Cache, name: str) -> None:
    if not cache.signing_keys.exclude(name=name).filter(is_retired=False).exists():
        message = "no other key would sign; make one first"
        raise CommandError(message)
    if not cache.signing_keys.filter(name=name).update(is_retired=True):
        message = f"the cache has no key named {name!r}"
        raise CommandError(message)
