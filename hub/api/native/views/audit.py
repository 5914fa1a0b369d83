"""The audit log, for operators and for the admins of a namespace."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from foundation.paging import Size
from foundation.whole_numbers import INT64_MAX
from hub.api.native import answers
from hub.api.native.base import NativeView
from hub.audit import selectors

SIZE = Size(default=100, most=1000)


class AuditPage(serializers.Serializer[Any]):
    """The part of the log that a caller asks for."""

    limit = serializers.IntegerField(min_value=1, max_value=SIZE.most, default=SIZE.default)
    after = serializers.IntegerField(
        min_value=0,
        max_value=INT64_MAX,
        default=0,
        help_text="The `position` of the last entry that is known.",
    )


class Audit(NativeView):
    @extend_schema(parameters=[AuditPage], responses=answers.AuditLog)
    def get(self, request: Request) -> Response:
        """The audit log, the oldest entry first: of everything for an operator, else of one's namespaces.

        Entries appear within some ten seconds, and never before one that was there.
        """
        rows = selectors.entries(actor=self.actor)
        wanted = AuditPage(data=request.query_params)
        wanted.is_valid(raise_exception=True)
        limit, after = wanted.validated_data["limit"], wanted.validated_data["after"]
        found = list(rows.filter(position__gt=after)[:limit])
        return Response(answers.AuditLog(items=[answers.AuditItem.of(entry) for entry in found]))
