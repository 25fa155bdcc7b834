"""What the worker does."""

import django_rq
from django.core.cache import cache

from {{ cookiecutter.project_slug }}.models import Entry

COUNT_KEY = "entries"


@django_rq.job
def count_entries() -> int:
    """Count the entries and leave the number in the cache."""
    count = Entry.objects.count()
    cache.set(COUNT_KEY, count)
    return count
