"""What staff can edit."""

from django.contrib import admin

from lending.models import Assignment, Item


@admin.register(Item)
class ItemAdmin(admin.ModelAdmin):
    """The catalogue."""

    list_display = ["code", "name"]
    search_fields = ["code", "name"]


@admin.register(Assignment)
class AssignmentAdmin(admin.ModelAdmin):
    """Who has what."""

    list_display = ["item", "holder", "assigned", "returned"]
    list_filter = ["returned"]
    list_select_related = ["item"]
