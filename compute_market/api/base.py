"""Common parts of the traders' calls: credentials, strict shapes, limits, pages."""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter
from rest_framework import exceptions, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from compute_market.api import problems
from foundation import bodies, credentials, inputs, paging, rate_limits
from foundation.clock import database_now
from foundation.errors import Invalid, Unauthenticated
from foundation.rate_limits import Limit
from foundation.whole_numbers import INT64_MAX, whole_number
from hub.interface import ANONYMOUS, Principal, User, get_namespace, principal_for_token

SIZE = paging.Size(default=50, most=500)
YEAR_MIN, YEAR_MAX = 2000, 2200
RATE_WINDOW_SECONDS = 60

# Refuses a caller who may not act for a namespace, which is given by its id.
AccountRight = Callable[[Principal, int], object]


def anybody(actor: Principal) -> None:
    """The right to the public record: everybody has it."""


class CursorInvalid(Invalid):
    code = "cursor_invalid"
    message = "The cursor is not one that this route gave."


class MalformedQuery(Invalid):
    code = "malformed_query"


class StrictInteger(serializers.IntegerField):
    """A JSON integer and nothing that looks like one: no "5", no 5.0, no true."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("max_value", INT64_MAX)
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> int:
        if type(data) is not int:
            raise serializers.ValidationError(
                "A whole number is needed, not in quotes.", code="not_an_integer"
            )
        return int(super().to_internal_value(data))


class StrictBoolean(serializers.BooleanField):
    """A JSON true or false."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            raise serializers.ValidationError("true or false is needed.", code="not_a_boolean")
        return data


class Moment(serializers.DateTimeField):
    """An ISO 8601 time with its offset; answers are in UTC and end in Z."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(default_timezone=UTC, **kwargs)

    def to_internal_value(self, value: Any) -> datetime:
        if not isinstance(value, str):
            raise serializers.ValidationError("An ISO 8601 time is needed.", code="not_a_time")
        moment = super().to_internal_value(value)
        # Within these years sums of times and periods stay inside what Python and databases can hold.
        if not YEAR_MIN <= moment.year <= YEAR_MAX:
            raise serializers.ValidationError(
                f"A time in the years {YEAR_MIN} to {YEAR_MAX} is needed.", code="time_out_of_range"
            )
        return moment.astimezone(UTC)


def moment(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def principal_of(request: Request) -> Principal:
    """The caller: a hub token as Bearer, else the session (with its CSRF token where something changes).

    Raises: InvalidToken, Unauthenticated, PermissionDenied (CSRF).
    """
    try:
        header = credentials.of_header(request)
    except credentials.MalformedAuthorization:
        raise Unauthenticated from None
    if header is not None:
        if header.scheme is not credentials.Scheme.BEARER:
            raise Unauthenticated
        return principal_for_token(header.token, now=datetime.now(UTC))
    user = credentials.of_session_now(request)
    if not isinstance(user, User):
        return ANONYMOUS
    if problem := credentials.csrf_problem(request):
        raise exceptions.PermissionDenied(f"CSRF Failed: {problem}")
    return Principal(user=user)


@functools.cache
def _checker(shape: type[serializers.Serializer[Any]]) -> serializers.Serializer[Any]:
    """The one of its shape: a check leaves nothing behind in it, and making it costs more than the check."""
    return shape()


@functools.cache
def _parameters(handler: Any) -> frozenset[str]:
    """The parameters of the query that `extend_schema` names for a handler."""
    schema = getattr(handler, "kwargs", {}).get("schema")
    if schema is None:
        return frozenset()
    described = schema()
    described.view = APIView()
    described.view.kwargs, described.view.request = {}, None
    described.method = handler.__name__.upper()
    names: set[str] = set()
    for parameter in described.get_override_parameters():
        if isinstance(parameter, OpenApiParameter):
            names |= {parameter.name} if parameter.location == OpenApiParameter.QUERY else set()
        else:
            names |= set(_checker(parameter).fields)
    return frozenset(names)


class MarketView(APIView):
    """A view of this door.

    `cost`: what one call takes from the minute's allowance.
    """

    authentication_classes = ()
    permission_classes = ()
    cost = 1

    @staticmethod
    def right(actor: Principal) -> None:
        """The least permission that the caller's credentials need; each view defines it.

        It is checked before the query and the body, so that a refusal never depends on them.
        """
        raise NotImplementedError

    def get_exception_handler(self) -> Callable[[Exception, dict[str, Any]], Response | None]:
        return problems.handle

    def perform_content_negotiation(self, request: Request, force: bool = True) -> Any:  # noqa: FBT001, FBT002 - DRF's
        """Answers have the one form that each route has, whatever the caller would rather accept.

        A browser's EventSource asks for `text/event-stream` and nothing else; refusals are JSON all the same.
        """
        return super().perform_content_negotiation(request, force=True)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.actor = principal_of(request)
        if not self.actor.is_anonymous:
            bodies.allow_known(request._request)  # noqa: SLF001 - DRF's own way to it
        self._limit(request)
        # A method without a handler is refused to everybody; OPTIONS tells what the description tells.
        if request.method != "OPTIONS" and hasattr(self, str(request.method).lower()):
            self.right(self.actor)
        if problem := inputs.query_problem(request._request):  # noqa: SLF001 - DRF's own way to it
            raise MalformedQuery(reason=problem)
        self._require_known_parameters(request)

    def _require_known_parameters(self, request: Request) -> None:
        """Refuse parameters of the query that the description of this call does not name.

        A filter that is misspelt would otherwise be no filter at all. Raises: ValidationError.
        """
        if not request.query_params:
            return
        method = (request.method or "get").lower()
        handler = getattr(self, "get" if method == "head" else method, None)
        if handler is None:  # no such method: that is the answer, whatever the query
            return
        known = _parameters(handler.__func__)
        if unknown := request.query_params.keys() - known:
            raise serializers.ValidationError(dict.fromkeys(sorted(unknown), "There is no such parameter."))

    def _limit(self, request: Request) -> None:
        """Count the call for its user or, without credentials, for its address. Raises: Throttled."""
        address = rate_limits.limited_address(request._request)  # noqa: SLF001 - DRF's own way to it
        if address is None:
            return
        if self.actor.is_anonymous:
            limit, who = Limit("market-address", settings.MARKET_RATE_ANONYMOUS, RATE_WINDOW_SECONDS), address
        else:
            limit = Limit("market-user", settings.MARKET_RATE_USER, RATE_WINDOW_SECONDS)
            who = str(self.actor.user_id)
        if wait := limit.take(who, cost=self.cost):
            raise exceptions.Throttled(wait=wait)

    def now(self) -> datetime:
        return database_now()

    def read(self, data: Any, shape: type[serializers.Serializer[Any]]) -> dict[str, Any]:
        """A body or query of the given shape. Unknown fields are refused by name."""
        checker = _checker(shape)
        if isinstance(data, dict) and (unknown := data.keys() - checker.fields.keys()):
            raise serializers.ValidationError(dict.fromkeys(sorted(unknown), "There is no such field."))
        return dict(checker.run_validation(data))

    def read_for_account(
        self, request: Request, shape: type[serializers.Serializer[Any]], right: AccountRight
    ) -> tuple[int, dict[str, Any]]:
        """The namespace that a body's `account` names, else the caller's own, and the body.

        The caller's permission for that namespace is checked before the rest of the body. Raises: what
        `right` raises, NamespaceNotFound, ValidationError, ParseError, UnsupportedMediaType.
        """
        try:
            data = request.data
        except exceptions.APIException:
            right(self.actor, self.namespace_id(None))
            raise
        namespace_id = self.namespace_id(named_account(data, shape))
        right(self.actor, namespace_id)
        return namespace_id, self.read(data, shape)

    def namespace_id(self, name: str | None) -> int:
        """A namespace by name, else the caller's own. Raises: NamespaceNotFound, Unauthenticated."""
        if name:
            return int(get_namespace(name).pk)
        if self.actor.user is None:
            raise Unauthenticated
        return int(self.actor.user.namespace_id)

    def rows(self, request: Request, rows: QuerySet[Any]) -> tuple[list[Any], str | None]:
        """The rows of a page, ordered by descending id, and the cursor of the next one."""
        size = SIZE.of(self.number(request, "limit"))
        before = _before(request)
        found = paging.newest_first(rows, size=size, before=before)
        return found.rows, None if found.next is None else paging.write_id(found.next)

    @staticmethod
    def number(request: Request, name: str) -> int | None:
        """A number from the query; None where it is missing or empty. Raises: ValidationError."""
        text = request.query_params.get(name, "")
        found = whole_number(text)
        if text and found is None:
            raise serializers.ValidationError({name: "A whole number is needed."})
        return found


def named_account(data: object, shape: type[serializers.Serializer[Any]]) -> str | None:
    """The `account` of a body that is not checked yet; None where it names none."""
    if not isinstance(data, dict) or data.get("account") is None:
        return None
    try:
        return str(_checker(shape).fields["account"].run_validation(data["account"]))
    except serializers.ValidationError:  # the body is refused for it when it is checked
        return None


class UnknownCall(APIView):
    """The answer at every address that no call has: 404, for any method and any caller."""

    authentication_classes = ()
    permission_classes = ()
    schema = None  # it is no part of the description

    def get_exception_handler(self) -> Callable[[Exception, dict[str, Any]], Response | None]:
        return problems.handle

    def perform_content_negotiation(self, request: Request, force: bool = True) -> Any:  # noqa: FBT001, FBT002 - DRF's
        """The refusal has one form, whatever the caller would rather accept."""
        return super().perform_content_negotiation(request, force=True)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        raise exceptions.NotFound("There is no such call; /api/docs lists them all.")


def _before(request: Request) -> int | None:
    """The id at which the page before ended. Raises: CursorInvalid."""
    cursor = request.query_params.get("cursor")
    if not cursor:
        return None
    try:
        return paging.read_id(cursor)
    except paging.InvalidCursor:
        raise CursorInvalid from None
