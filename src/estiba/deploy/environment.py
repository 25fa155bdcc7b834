"""The environment variables of a service on this machine."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from estiba.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from estiba.deploy.folder import Folder
    from estiba.deploy.release import Release
    from estiba.deploy.settings import Settings

DATABASE: Final = "app"
"""Name of the database and of the user that owns it."""

POSTGRESQL_FOLDER: Final = "/run/postgresql"
REDIS_FOLDER: Final = "/run/redis"
"""Where the servers' sockets are in every root; only the user of the processes reaches them."""

REDIS_SOCKET: Final = f"{REDIS_FOLDER}/redis.sock"
REDIS_ADDRESS: Final = "127.0.0.1"
REDIS_PASSWORD: Final = "REDIS_PASSWORD"  # noqa: S105 - its name
"""The variable with the password of a Redis that has a port, where every user of the machine could ask it."""

_OWN: Final = ("ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS", "MEDIA_ROOT", "SECRET_KEY")
_PREFIXES: Final = ("", "DJANGO_")
_LINE: Final = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")
_QUOTED: Final = re.compile(r"(['\"])(.*)\1")


def names() -> frozenset[str]:
    """Return the variables that a service finds without being told them by its target's settings."""
    return frozenset({*servers(), *(f"{prefix}{name}" for prefix in _PREFIXES for name in _OWN)})


def build(settings: Settings, folder: Folder, release: Release, port: int) -> dict[str, str]:
    """Return the whole environment; what the target's settings say beats all else, then comes the target's file."""
    # An address without the usual port stands for whatever is in front of this machine.
    origins = [f"http://{host}:{port}" for host in settings.hosts] + [f"https://{host}" for host in settings.hosts]
    own = (",".join(settings.hosts), ",".join(origins), release.media, folder.secret("SECRET_KEY"))
    return {
        **release.env,
        **servers(),
        **(_redis(settings.redis_port, folder.secret(REDIS_PASSWORD)) if settings.redis_port else {}),
        **{f"{prefix}{name}": value for prefix in _PREFIXES for name, value in zip(_OWN, own, strict=True)},
        # A deployment waits for the database before it starts anything; half a second less for each start.
        "DB_WAIT_TIMEOUT": "0",
        # nginx speaks plain HTTP here; what ends TLS in front of it redirects as well.
        "SSL_REDIRECT": "false",
        **(load(settings.env_file) if settings.env_file else {}),
        **settings.env,
    }


def _redis(port: int, password: str) -> Mapping[str, str]:
    return {
        REDIS_PASSWORD: password,
        "REDIS_HOST": REDIS_ADDRESS,
        "REDIS_PORT": str(port),
        "REDIS_URL": f"redis://:{password}@{REDIS_ADDRESS}:{port}/0",
    }


def load(path: Path) -> dict[str, str]:
    """Read a file of `NAME=value` lines; empty lines and those that start with `#` say nothing.

    Raises:
        ConfigError: It cannot be read, or has other lines; all are listed.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ConfigError(str(path), [f"cannot be read: {error.strerror}"]) from error
    found, problems = {}, []
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if match := _LINE.fullmatch(text):
            quoted = _QUOTED.fullmatch(match[2])
            found[match[1]] = quoted[2] if quoted else match[2]
        elif text and not text.startswith("#"):
            problems.append(f"line {number} is not NAME=value")
    if problems:
        raise ConfigError(str(path), problems)
    return found


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
