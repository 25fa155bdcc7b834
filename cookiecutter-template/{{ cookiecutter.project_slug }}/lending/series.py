"""Readings as a time series: their averages."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Avg, DateTimeField, F, Func, QuerySet, Value

from lending.models import Item

START = datetime(2000, 1, 1, tzinfo=UTC)


def average(item: Item, width: timedelta) -> QuerySet[Any, dict[str, Any]]:
    """Return the average of an item's readings in spans of time, newest first; every PostgreSQL can do that."""
    span = Func(Value(width), F("time"), Value(START), function="date_bin", output_field=DateTimeField())
    return item.readings.annotate(start=span).values("start").annotate(average=Avg("value")).order_by("-start")
