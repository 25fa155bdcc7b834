"""Readings: their averages, and the table that they are in."""

from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection
from django.test import Client

from lending.models import Item, Reading

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def item(db: None) -> Item:
    """Return an item."""
    return Item.objects.create(code="SEXTANT-1", name="Sextant")


def is_hypertable() -> bool:
    """Tell whether TimescaleDB keeps the readings."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('timescaledb_information.hypertables')")
        if cursor.fetchone()[0] is None:
            return False
        cursor.execute("SELECT hypertable_name FROM timescaledb_information.hypertables")
        return (Reading._meta.db_table,) in cursor.fetchall()


def test_averages_are_of_hours(item: Item) -> None:
    """Readings come in through the API, each time once, and are averaged by the hour."""
    client = Client(headers={"x-forwarded-proto": "https"})
    client.force_login(get_user_model().objects.create_user("ada", is_staff=True))
    path = f"/api/items/{item.code}"
    readings = [(NOON + timedelta(minutes=20 * step), float(step)) for step in range(4)]
    codes = [
        client.post(f"{path}/readings/", {"time": time.isoformat(), "value": value}).status_code
        for time, value in readings
    ]
    again = client.post(f"{path}/readings/", {"time": NOON.isoformat(), "value": 9})

    assert (codes, again.status_code) == ([201] * 4, 409)
    assert client.get(f"{path}/averages/").json() == [
        {"start": "2026-03-01T13:00:00Z", "average": 3.0},
        {"start": "2026-03-01T12:00:00Z", "average": 1.0},
    ]


def test_table_is_what_the_switch_says(item: Item) -> None:
    """With TIMESCALEDB the readings are in a hypertable, without it in a table of PostgreSQL's own."""
    Reading.objects.create(item=item, time=NOON, value=1)
    call_command("migrate", verbosity=0)

    assert is_hypertable() is settings.TIMESCALEDB
