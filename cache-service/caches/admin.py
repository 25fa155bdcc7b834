"""What staff can look at and edit. Tokens and keys are made by commands, which show a secret once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.db import transaction
from django.utils import timezone

from caches import published
from caches.locks import locked
from caches.models import Audit, Cache, Pin, SigningKey, StorePath, Token, User

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.forms import ModelForm
    from django.http import HttpRequest

admin.site.register(User, UserAdmin)


class ReadOnly(admin.ModelAdmin):
    """Rows that the service alone writes."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse."""
        del request
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Refuse."""
        del request, obj
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Refuse."""
        del request, obj
        return False


@admin.register(Cache)
class CacheAdmin(admin.ModelAdmin):
    """Caches; their removal is a command's, which takes the files along."""

    list_display = ("name", "is_public", "priority", "keep_days", "created_at")

    def get_readonly_fields(self, request: HttpRequest, obj: Cache | None = None) -> tuple[str, ...]:
        """Keep the name of a cache, which clients and published files have."""
        del request
        return ("name",) if obj else ()

    def save_model(self, request: HttpRequest, obj: Cache, form: ModelForm, change: bool) -> None:  # noqa: FBT001
        """Move what the web server sends by itself before a cache is private, and after it is public."""
        if not change or "is_public" not in form.changed_data:
            super().save_model(request, obj, form, change)
            return
        with locked(obj, alone=True):
            super().save_model(request, obj, form, change)
            if not obj.is_public:
                published.settle(obj)
        transaction.on_commit(lambda: published.settle(obj))

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Refuse."""
        del request, obj
        return False


@admin.register(SigningKey)
class SigningKeyAdmin(ReadOnly):
    """Public keys."""

    list_display = ("name", "cache", "public", "is_retired", "created_at")
    exclude = ("sealed",)


@admin.register(Token)
class TokenAdmin(ReadOnly):
    """Tokens, which can be revoked."""

    list_display = ("name", "cache", "scopes", "created_at", "expires_at", "revoked_at")
    exclude = ("digest",)
    actions = ("revoke",)

    @admin.action(description="Revoke the selected tokens", permissions=["revoke"])
    def revoke(self, request: HttpRequest, tokens: QuerySet[Token]) -> None:
        """Revoke tokens, from the next request on."""
        del request
        tokens.filter(revoked_at=None).update(revoked_at=timezone.now())

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Tell whether somebody may change tokens."""
        return request.user.has_perm("caches.change_token")


@admin.register(StorePath)
class StorePathAdmin(ReadOnly):
    """Published paths."""

    list_display = ("base_name", "cache", "nar_size", "published_by", "published_at")
    list_filter = ("cache",)
    list_select_related = ("cache", "published_by")
    search_fields = ("base_name",)
    fields = ("base_name", "cache", "narinfo", "published_by", "published_at", "pushed_at", "tombstoned_at")


@admin.register(Pin)
class PinAdmin(ReadOnly):
    """Pins."""

    list_display = ("name", "cache", "path", "created_at")
    list_filter = ("cache",)
    list_select_related = ("cache", "path")


@admin.register(Audit)
class AuditAdmin(ReadOnly):
    """Who did what."""

    list_display = ("at", "who", "action", "subject", "cache")
    list_filter = ("cache", "action")
    list_select_related = ("cache",)
    search_fields = ("subject", "who")
