"""Logbook of releases: hash-chained entries, as JSON Lines on a git branch of the service's repository."""

from estiba.release.logbook.book import Logbook, load
from estiba.release.logbook.entry import Entry

__all__ = ["Entry", "Logbook", "load"]
