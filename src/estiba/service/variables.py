"""Environment variables that a target sets for a service, under the names that Django projects commonly read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

DATABASE: Final = "app"
"""Name of the PostgreSQL database, and of the role that owns it."""

POSTGRESQL_FOLDER: Final = "/run/postgresql"
"""Folder of PostgreSQL's Unix socket in the root file system of processes; only their user has access."""

REDIS_FOLDER: Final = "/run/redis"
"""Folder of Redis's Unix socket; as `POSTGRESQL_FOLDER`."""

REDIS_SOCKET: Final = f"{REDIS_FOLDER}/redis.sock"

OWN: Final = ("ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS", "MEDIA_ROOT", "SECRET_KEY")
"""Variables named after the Django settings that they set."""

PREFIXES: Final = ("", "DJANGO_")
"""Prefixes that projects put before the names in `OWN`."""


def names() -> frozenset[str]:
    """Return the names of all variables that are set without being configured for the target."""
    return frozenset({*servers(), *(f"{prefix}{name}" for prefix in PREFIXES for name in OWN)})


def servers() -> Mapping[str, str]:
    """Return the variables with the addresses of PostgreSQL and Redis.

    Passwords are empty: only the user of the processes can reach the sockets, and PostgreSQL uses `trust` for them.
    """
    database = {"HOST": POSTGRESQL_FOLDER, "PORT": "5432", "USER": DATABASE, "PASSWORD": ""}
    return {
        **{f"{prefix}{name}": value for prefix in ("PG", "POSTGRES_", "DB_") for name, value in database.items()},
        "DATABASE_URL": f"postgresql://{DATABASE}@/{DATABASE}?host={POSTGRESQL_FOLDER}",
        "POSTGRES_URL": f"postgres://{DATABASE}@/{DATABASE}?host={POSTGRESQL_FOLDER}",
        "DB_NAME": DATABASE,
        "PGDATABASE": DATABASE,
        "POSTGRES_DB": DATABASE,
        "REDIS_URL": f"unix://{REDIS_SOCKET}?db=0",
    }
