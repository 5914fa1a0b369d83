"""Common parts of the operators' pages of all rooms."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.dispatch import Signal
from django.http import HttpRequest

# An operator changed or deleted a row. Arguments: row, user; of a change also fields (name → new value).
changed = Signal()
deleted = Signal()


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

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: FBT001 - Django's
        super().save_model(request, obj, form, change)
        fields = {name: str(getattr(obj, name)) for name in form.changed_data}
        changed.send(sender=type(obj), row=obj, user=request.user, fields=fields)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        deleted.send(sender=type(obj), row=obj, user=request.user)
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        for row in queryset:
            deleted.send(sender=type(row), row=row, user=request.user)
        super().delete_queryset(request, queryset)

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
