"""`manage.py smoke`: lend an item, take it back and import one in the real database, and look into the audit log."""

import importlib.util
import io
import uuid
from typing import Any

from auditlog.models import LogEntry
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from config.logs import request_id
from lending import workbook
from lending.models import Item

EXPECTED = [("item", "create"), ("assignment", "create"), ("assignment", "update")]


class Command(BaseCommand):
    """Prove that lending works; nothing of it stays, for the transaction is rolled back."""

    help = "lend an item, take it back, look for both in the audit log, import a workbook, and leave nothing behind"

    def handle(self, *args: Any, **options: Any) -> None:
        """Do all of it, and look."""
        # Of the extra `excel`.
        has_workbooks = importlib.util.find_spec("openpyxl") is not None
        token = request_id.set(f"smoke-{uuid.uuid4().hex}")
        try:
            with transaction.atomic():
                found = self._try(request_id.get())
                imported = self._import(request_id.get()) if has_workbooks else None
                transaction.set_rollback(True)
        finally:
            request_id.reset(token)
        if found != EXPECTED:
            raise CommandError(f"the audit log has {found} instead of {EXPECTED}")
        if imported not in {None, (1, 0)}:
            raise CommandError(f"a workbook with one new item made {imported} of created and updated ones")
        also = "; a workbook was imported" if has_workbooks else ""
        self.stdout.write(f"an item was assigned and returned, and the audit log has both{also}")

    def _try(self, cid: str) -> list[tuple[str, str]]:
        item = Item.objects.create(code=_name(cid), name="smoke test")
        item.assign("smoke test")
        item.take_back()
        entries = LogEntry.objects.filter(cid=cid).select_related("content_type").order_by("pk")
        return [(entry.content_type.model, entry.get_action_display()) for entry in entries]

    def _import(self, cid: str) -> tuple[int, int]:
        """Import a workbook; return how many items it created and updated."""
        from openpyxl import Workbook

        book, file = Workbook(), io.BytesIO()
        for row in (workbook.COLUMNS, (_name(cid[::-1]), "smoke test", "")):
            book.active.append(row)
        book.save(file)
        file.seek(0)
        report = workbook.load(file)
        return report.created, report.updated


def _name(text: str) -> str:
    return text.upper()[:32]
