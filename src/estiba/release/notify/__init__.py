"""Notifications about releases: by webhooks and by mail."""

from estiba.release.notify.event import EVENTS, Event
from estiba.release.notify.send import send

__all__ = ["EVENTS", "Event", "send"]
