"""`manage.py try_worker`: send a job through the queue and wait for its result."""

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from {{ cookiecutter.project_slug }}.jobs import count_entries

PAUSE = 0.1


class Command(BaseCommand):
    """Prove that queue and worker work."""

    help = "send a job through the queue and wait for its result"

    def add_arguments(self, parser: CommandParser) -> None:
        """Take a limit."""
        parser.add_argument("--seconds", type=float, default=10, help="how long to wait")

    def handle(self, *args: Any, **options: Any) -> None:
        """Send the job and wait."""
        job = count_entries.delay()
        deadline = time.monotonic() + options["seconds"]
        while not (job.is_finished or job.is_failed):
            if time.monotonic() > deadline:
                raise CommandError(f"job {job.id} is {job.get_status().value} after {options['seconds']:g} seconds")
            time.sleep(PAUSE)
        if job.is_failed:
            raise CommandError(f"job {job.id} failed: see the worker's log")
        self.stdout.write(f"{job.return_value()} entries")
