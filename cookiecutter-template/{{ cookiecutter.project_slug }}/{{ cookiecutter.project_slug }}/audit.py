"""Who changed what: django-auditlog's entries, with the request and the person."""

from typing import Any

from auditlog.middleware import AuditlogMiddleware
from auditlog.models import LogEntry
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject
from rest_framework import permissions, serializers, viewsets


class AuditMiddleware(AuditlogMiddleware):
    """Asks for the person when something is written: tokens of the API are only read after the middleware ran."""

    @staticmethod
    def _get_actor(request: HttpRequest) -> Any:
        return SimpleLazyObject(lambda: request.user)


class AuditSerializer(serializers.ModelSerializer):
    """An entry: what was done to which object, by whom, when and with which request."""

    action = serializers.CharField(source="get_action_display")
    model = serializers.CharField(source="content_type.model")
    actor = serializers.CharField(source="actor.username", default=None)

    class Meta:
        """Read only."""

        model = LogEntry
        fields = ["id", "timestamp", "action", "model", "object_pk", "object_repr", "changes", "actor", "cid"]


class AuditViewSet(viewsets.ReadOnlyModelViewSet):
    """The audit log, newest first, for staff."""

    queryset = LogEntry.objects.select_related("actor", "content_type").order_by("-timestamp", "-pk")
    serializer_class = AuditSerializer
    permission_classes = [permissions.IsAdminUser]

    def get_queryset(self) -> Any:
        """Return all entries, or with `?cid=` those of one request."""
        cid = self.request.query_params.get("cid")
        return self.queryset.filter(cid=cid) if cid else self.queryset.all()
