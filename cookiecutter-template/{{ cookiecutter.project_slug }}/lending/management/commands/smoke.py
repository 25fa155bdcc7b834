"""`manage.py smoke`: lend an item and take it back in the real database, and look for both in the audit log."""

import uuid
from typing import Any

from auditlog.models import LogEntry
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from config.logs import request_id
from lending.models import Item

EXPECTED = [("item", "create"), ("assignment", "create"), ("assignment", "update")]


class Command(BaseCommand):
    """Prove that lending works; nothing of it stays, for the transaction is rolled back."""

    help = "lend an item and take it back, look for both in the audit log, and leave nothing behind"

    def handle(self, *args: Any, **options: Any) -> None:
        """Do both, and look."""
        token = request_id.set(f"smoke-{uuid.uuid4().hex}")
        try:
            with transaction.atomic():
                found = self._try(request_id.get())
                transaction.set_rollback(True)
        finally:
            request_id.reset(token)
        if found != EXPECTED:
            raise CommandError(f"the audit log has {found} instead of {EXPECTED}")
        self.stdout.write("an item was assigned and returned, and the audit log has both")

    def _try(self, cid: str) -> list[tuple[str, str]]:
        item = Item.objects.create(code=cid.upper()[:32], name="smoke test")
        item.assign("smoke test")
        item.take_back()
        entries = LogEntry.objects.filter(cid=cid).select_related("content_type").order_by("pk")
        return [(entry.content_type.model, entry.get_action_display()) for entry in entries]
