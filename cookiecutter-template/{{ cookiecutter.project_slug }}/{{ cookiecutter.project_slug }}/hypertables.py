"""Hypertables of TimescaleDB for models that name their time, as in `hypertable = "time"`, where it is switched on."""

from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connections

EXTENSION = "timescaledb"


def make_hypertables(sender: AppConfig, using: str = "default", **_: Any) -> None:
    """Let TimescaleDB keep the rows of an app's models, with those that there are; called after each `migrate`.

    The switch may be thrown at any time; without it the tables are PostgreSQL's own.
    """
    models = [model for model in sender.get_models() if hasattr(model, "hypertable")]
    if not settings.TIMESCALEDB or not models:
        return
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_available_extensions WHERE name = %s", [EXTENSION])
        if cursor.fetchone() is None:
            raise ImproperlyConfigured(
                f"TIMESCALEDB is true, and the database server has no extension {EXTENSION}: install it there,"
                " name its package in [tool.estiba.postgresql], or unset the variable"
            )
        cursor.execute(f"CREATE EXTENSION IF NOT EXISTS {EXTENSION}")
        for model in models:
            # to_regclass, which wants quotes for capitals, is NULL where the migrations went back to before the table.
            cursor.execute(
                "SELECT create_hypertable(found, %s, if_not_exists => true, migrate_data => true)"
                " FROM to_regclass(%s) AS found WHERE found IS NOT NULL",
                [model.hypertable, connections[using].ops.quote_name(model._meta.db_table)],
            )
