"""Common parts of all views of this API: authentication and the form of refusals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework import serializers
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from foundation import inputs
from foundation.errors import Invalid
from foundation.paging import Row, Size, newest_first
from foundation.whole_numbers import INT64_MAX
from hub.accounts.models import User
from hub.accounts.policies import require_signed_in
from hub.accounts.principals import Principal
from hub.api.authentication import principal_of
from hub.api.native import errors
from hub.api.rates import require_rate

SIZE = Size(default=50, most=100)


class PrincipalAuthentication(BaseAuthentication):
    """An access token in `Authorization: Bearer …`, or the session of the pages."""

    def authenticate(self, request: Request) -> tuple[User, Principal] | None:
        principal = principal_of(request._request)  # noqa: SLF001 - DRF's own way to Django's request
        return (principal.user, principal) if principal.user is not None else None


class _Scheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "hub.api.native.base.PrincipalAuthentication"
    name = "accessToken"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer"}


class NativeView(APIView):
    """A view of `/api/hub/v1`."""

    authentication_classes = (PrincipalAuthentication,)

    def get_exception_handler(self) -> Callable[[Exception, dict[str, Any]], Response | None]:
        return errors.handle

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if problem := inputs.query_problem(request._request):  # noqa: SLF001 - as above
            raise Invalid(reason=problem)
        require_rate(request._request, self.actor)  # noqa: SLF001 - as above

    @property
    def actor(self) -> Principal:
        return principal_of(self.request._request)  # noqa: SLF001 - as above

    @property
    def signed_in(self) -> User:
        """Raises: Unauthenticated."""
        require_signed_in(self.actor)
        assert self.actor.user is not None
        return self.actor.user

    def valid(self, shape: type[serializers.Serializer[Any]]) -> dict[str, Any]:
        """The body, in this shape. Raises: ValidationError."""
        serializer = shape(data=self.request.data)
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)


class Page(serializers.Serializer[Any]):
    """The part of a list that a caller asks for."""

    limit = serializers.IntegerField(min_value=1, max_value=SIZE.most, default=SIZE.default)
    before = serializers.IntegerField(
        min_value=1, max_value=INT64_MAX, required=False, help_text="The `next` of the page before."
    )


def page_of(rows: QuerySet[Row], query: Mapping[str, Any]) -> tuple[list[Row], int | None]:
    """The rows of a page, which are ordered by falling id, and the id before which the next page begins."""
    wanted = Page(data=query)
    wanted.is_valid(raise_exception=True)
    limit, before = wanted.validated_data["limit"], wanted.validated_data.get("before")
    found = newest_first(rows, size=limit, before=before)
    return found.rows, found.next
