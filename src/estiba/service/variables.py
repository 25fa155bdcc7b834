"""The environment variables that a service reads, in the spellings that are common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

DATABASE: Final = "app"
"""Name of the database and of the user that owns it."""

POSTGRESQL_FOLDER: Final = "/run/postgresql"
REDIS_FOLDER: Final = "/run/redis"
"""Where the servers' sockets are in every root; only the user of the processes reaches them."""

REDIS_SOCKET: Final = f"{REDIS_FOLDER}/redis.sock"

OWN: Final = ("ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS", "MEDIA_ROOT", "SECRET_KEY")
"""Variables of Django's settings that the same names stand for."""

PREFIXES: Final = ("", "DJANGO_")
"""What projects put before those."""


def names() -> frozenset[str]:
    """Return the variables that a service finds without being told them by its target's settings."""
    return frozenset({*servers(), *(f"{prefix}{name}" for prefix in PREFIXES for name in OWN)})


def servers() -> Mapping[str, str]:
    """Tell programs where the servers are, in the spellings that are common; trust takes the place of passwords."""
    database = {"HOST": POSTGRESQL_FOLDER, "PORT": "5432", "USER": DATABASE, "PASSWORD": ""}
    return {
        **{f"{prefix}{name}": value for prefix in ("PG", "POSTGRES_", "DB_") for name, value in database.items()},
        "DATABASE_URL": f"postgresql://{DATABASE}@/{DATABASE}?host={POSTGRESQL_FOLDER}",
        "DB_NAME": DATABASE,
        "PGDATABASE": DATABASE,
        "POSTGRES_DB": DATABASE,
        "REDIS_URL": f"unix://{REDIS_SOCKET}?db=0",
    }
