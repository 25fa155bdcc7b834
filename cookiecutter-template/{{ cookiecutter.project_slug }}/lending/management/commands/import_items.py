"""`manage.py import_items`: import items from an Excel workbook."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from lending import workbook


class Command(BaseCommand):
    """Import the catalogue."""

    help = "import items from an Excel workbook: all of them, or none where a row is rejected"

    def add_arguments(self, parser: CommandParser) -> None:
        """Take a file."""
        parser.add_argument("file", type=Path, help="the workbook, .xlsx")

    def handle(self, *args: Any, **options: Any) -> None:
        """Import, and say how much of what."""
        try:
            with options["file"].open("rb") as file:
                report = workbook.load(file)
        except OSError as error:
            raise CommandError(f"{options['file']}: {error.strerror}") from error
        except workbook.WorkbookError as error:
            raise CommandError(f"{options['file']}: {error}") from error
        if report.rejected:
            rows = "".join(f"\n  row {one['row']}: {'; '.join(one['reasons'])}" for one in report.rejected)
            raise CommandError(f"{options['file']}: nothing was imported, for these rows cannot be:{rows}")
        self.stdout.write(f"{report.created} items created, {report.updated} updated")
