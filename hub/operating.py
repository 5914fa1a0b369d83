"""Common parts of the operators' pages of all rooms."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest


class OperatorAdmin(admin.ModelAdmin):
    """Rows come and go by use cases, which know what else has to happen; an operator looks, and edits what
    a room names in `editable`.
    """

    editable: tuple[str, ...] = ()
    list_per_page = 50
    # Counting a large table takes longer than showing a page of it.
    show_full_result_count = False

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        fields = [field.name for field in self.opts.fields if field.name not in (self.exclude or ())]
        return [name for name in (*fields, *self.readonly_fields) if name not in self.editable]

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        """Fields that can be changed come first; the row's number is in the page's address."""
        shown = [name for name in self.get_readonly_fields(request, obj) if name != "id"]
        return [*self.editable, *shown]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return bool(self.editable) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class FreeableAdmin(OperatorAdmin):
    """Reserved names, which an operator may delete so that somebody else can take them."""

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return admin.ModelAdmin.has_delete_permission(self, request, obj)
