"""What the worker does."""

import django_rq
import pytest
from django.core.cache import cache
from django.core.management import CommandError, call_command

from {{ cookiecutter.project_slug }}.jobs import COUNT_KEY, count_entries
from {{ cookiecutter.project_slug }}.models import Entry


@pytest.mark.django_db(transaction=True)
def test_job_goes_through_the_queue() -> None:
    """A job is queued in Redis, taken by a worker, and leaves its result in the cache."""
    Entry.objects.create(text="the pilot is aboard")
    job = count_entries.delay()

    django_rq.get_worker("default", worker_class="rq.SimpleWorker").work(burst=True)

    assert (job.return_value(), cache.get(COUNT_KEY)) == (1, 1)


def test_missing_worker_is_noticed() -> None:
    """`try_worker` gives up when nobody takes its job."""
    with pytest.raises(CommandError, match="is queued after 0 seconds"):
        call_command("try_worker", seconds=0)

    django_rq.get_queue("default").empty()
