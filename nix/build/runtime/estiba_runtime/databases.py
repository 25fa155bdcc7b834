"""The service's databases, reached through Django's settings and drivers: waiting for them, and the migration lock."""

from __future__ import annotations

import importlib
import os
import threading
import time
import traceback
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from estiba_runtime.failure import EX_CONFIG, EX_TEMPFAIL, EX_UNAVAILABLE, StartError, redact, say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

LOCK: Final = int.from_bytes(b"estibamg", "big")
_FIRST_REPORT: Final = 1.0
_REPORT: Final = 5.0
_RETRY: Final = 0.5
_UNREADY: Final = "AppRegistryNotReady"
"""Django's exception for models that are imported before the apps."""

# Databases that are a file or nothing at all: there is no server to wait for.
_SERVERLESS: Final = ("sqlite3", "dummy", "spatialite")


def wait(limit: float) -> None:
    """Connect once to every configured database server, waiting at most `limit` seconds for all of them.

    Raises:
        StartError: The limit has passed, or the settings or a driver cannot be loaded.
    """
    settings = _load_settings()
    aliases = [alias for alias, one in settings.items() if not one["ENGINE"].endswith(_SERVERLESS)]
    attempt = _Attempt(aliases, [str(one.get("PASSWORD") or "") for one in settings.values()])
    deadline = time.monotonic() + limit
    # libpq's own limit is minutes when packets are dropped silently.
    unset = "PGCONNECT_TIMEOUT" not in os.environ
    os.environ.setdefault("PGCONNECT_TIMEOUT", "5")
    attempt.start()
    _watch(attempt, deadline, limit)
    if unset:
        del os.environ["PGCONNECT_TIMEOUT"]
    if attempt.failure:
        raise StartError(attempt.failure, EX_CONFIG)


@contextmanager
def migration_lock(alias: str, limit: float) -> Iterator[Callable[[], None] | None]:
    """Hold PostgreSQL's advisory lock for migrations of one database.

    Yields:
        A function that keeps the lock's connection from being cut as idle, or None where the database has no such lock.

    Raises:
        StartError: Another process held the lock for longer than `limit` seconds.
    """
    connection = _separate(alias)
    if connection.vendor != "postgresql":
        yield None
        return
    connection.ensure_connection()
    # The driver's own cursor: Django warns about its own before the apps are loaded, which is left to manage.py.
    with connection.connection.cursor() as cursor:
        _take_lock(cursor, limit)
        yield lambda: _keep_alive(cursor)
    connection.close()


def open_django(alias: str) -> Any:  # noqa: ANN401 - as in `_separate`
    """Load the service's apps, and return Django's own connection.

    Raises:
        StartError: The settings or the apps cannot be loaded; the message ends with the reason.
    """
    try:
        connection = _load_connection(alias)
        importlib.import_module("django").setup()
    except Exception as error:
        raise StartError(redact(traceback.format_exc()).strip(), EX_CONFIG) from error
    return connection


def refuse_loss(alias: str) -> None:
    """Refuse to migrate a database that nobody would see again.

    Raises:
        StartError: It is in memory, or a file in the image.
    """
    place = find_loss(_load_settings().get(alias, {}))
    if place:
        message = (
            f"the settings keep the database {alias!r} in {place}, which is lost when this process ends: let them take"
            " it from the environment, such as DATABASE_URL, or keep the file on a volume"
        )
        raise StartError(message, EX_CONFIG)


def has_cache() -> bool:
    """Tell whether the settings have a cache in a database."""
    conf = importlib.import_module("django.conf")
    backends = [str(one.get("BACKEND", "")) for one in conf.settings.CACHES.values()]
    # A backend of the service's own keeps the name of Django's, which it is derived from.
    return any(backend.endswith("DatabaseCache") for backend in backends)


def find_loss(one: Mapping[str, Any], root: Path = Path("/")) -> str:
    """Return where SQLite would have a database that ends with this process or its container; empty if nowhere.

    Args:
        one: The database's settings.
        root: The image's own file system; what is on another one has been put there to stay.
    """
    if not str(one.get("ENGINE", "")).endswith(("sqlite3", "spatialite")):
        return ""
    name = str(one.get("NAME") or "")
    if ":memory:" in name or "mode=memory" in name:
        return "memory"
    file = Path(name.removeprefix("file:").partition("?")[0]).absolute()
    folder = next(folder for folder in file.parents if folder.exists())
    kept = folder.stat().st_dev != root.stat().st_dev and os.access(folder, os.W_OK)
    return "" if kept else str(file)


class _Attempt(threading.Thread):
    """Connects in the background: a driver in C that hangs would keep the main thread from seeing SIGTERM."""

    def __init__(self, aliases: list[str], secrets: list[str]) -> None:
        super().__init__(daemon=True)
        self.aliases = aliases
        self.secrets = secrets
        self.problem = "no answer"
        self.failure = ""

    def run(self) -> None:
        """Connect to one database after the other."""
        try:
            for alias in self.aliases:
                self._connect(alias)
        except Exception:  # noqa: BLE001 - a driver may raise anything; the main thread reports it
            self.failure = redact(traceback.format_exc(), self.secrets).strip()

    def _connect(self, alias: str) -> None:
        connection = _separate(alias)
        late = importlib.import_module("django.db").OperationalError
        while True:
            try:
                connection.ensure_connection()
            except late as error:
                self.problem = f"{alias}: {redact(' '.join(str(error).split()), self.secrets)}"
                time.sleep(_RETRY)
            else:
                connection.close()
                return


def _watch(attempt: _Attempt, deadline: float, limit: float) -> None:
    pause = _FIRST_REPORT
    while attempt.is_alive():
        left = deadline - time.monotonic()
        if left <= 0:
            message = f"no database after {limit:g} seconds (DB_WAIT_TIMEOUT): {attempt.problem}"
            raise StartError(message, EX_UNAVAILABLE)
        attempt.join(min(pause, left))
        if attempt.is_alive() and left > pause:
            say(f"waiting for the database, {left - pause:.0f} seconds left: {attempt.problem}")
        pause = _REPORT


def _load_connections() -> Any:  # noqa: ANN401 - as in `_separate`
    """Import Django's connections, whose settings are loaded with the first one that is used."""
    if os.environ.get("DJANGO_CONFIGURATION"):
        # Settings that are classes: django-configurations has to be there when their module is imported.
        importlib.import_module("configurations.importer").install()
    return importlib.import_module("django.db").connections


def _load_connection(alias: str) -> Any:  # noqa: ANN401 - as in `_separate`
    """Return Django's own connection; a backend with models of its own, as that of PostGIS, wants the apps first."""
    connections = _load_connections()
    try:
        return connections[alias]
    except Exception as error:
        if type(error).__name__ != _UNREADY:
            raise
    importlib.import_module("django").setup()
    return connections[alias]


def _load_settings() -> dict[str, dict[str, Any]]:
    """Import the service's settings and return `DATABASES` with Django's defaults.

    Raises:
        StartError: They cannot be imported; the message ends with the reason.
    """
    try:
        settings: dict[str, dict[str, Any]] = _load_connections().settings
    except Exception as error:
        raise StartError(redact(traceback.format_exc()).strip(), EX_CONFIG) from error
    return settings


def _separate(alias: str) -> Any:  # noqa: ANN401 - Django's wrapper; Django is not installed where this is checked
    """Return a connection of our own: migrations may close Django's, and a pool would hand ours on."""
    try:
        connection = _load_connection(alias).copy()
    except Exception as error:
        raise StartError(redact(traceback.format_exc()).strip(), EX_CONFIG) from error
    connection.settings_dict["OPTIONS"].pop("pool", None)
    return connection


def _take_lock(cursor: Any, limit: float) -> None:  # noqa: ANN401 - as above
    deadline = time.monotonic() + limit
    reported = False
    while True:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
        if cursor.fetchone()[0]:
            return
        if time.monotonic() >= deadline:
            message = f"another process still migrates after {limit:g} seconds (MIGRATE_LOCK_TIMEOUT)"
            raise StartError(message, EX_TEMPFAIL)
        if not reported:
            say("another process migrates; waiting for it")
            reported = True
        time.sleep(_RETRY)


def _keep_alive(cursor: Any) -> None:  # noqa: ANN401 - as above
    """Use the lock's connection; say so when it is gone, because then a second migration could start."""
    try:
        cursor.execute("SELECT 1")
    except Exception:  # noqa: BLE001 - the driver's own, whichever it is
        say("the connection that holds the migration lock is lost; the migration goes on")
