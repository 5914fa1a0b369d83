"""The private stream of an account: its orders, fills, leases and balances as they change, with resume."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.urls import path
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request

from compute_market.api.answers import streams as answers
from compute_market.api.base import MarketView, principal_of
from compute_market.api.serving_streams import EVENT_STREAM, LAST_EVENT_ID, last_event_id, register, serve
from compute_market.api.streams import Event
from compute_market.ledger import account_events, policies
from compute_market.ledger.services import open_account
from compute_market.offers import selectors as offers
from foundation import credentials
from foundation.errors import Refusal

STREAMS_OF_AN_ACCOUNT = 20


@register("account")
def fetch(key: str, after: int, limit: int) -> Sequence[Event]:
    """The events of an account, by its primary key, after a number."""
    found = account_events.read(int(key), after=after, limit=limit)
    if not found:
        return ()
    products = offers.product_slugs()
    return [Event.of(event.number, "change", answers.AccountChange.of(event, products)) for event in found]


class AccountStream(MarketView):
    right = staticmethod(policies.require_trade_scope)

    @extend_schema(
        tags=["accounts"],
        operation_id="account_stream",
        parameters=[OpenApiParameter("account", str, description="A namespace."), *LAST_EVENT_ID],
        responses={(200, EVENT_STREAM): answers.StartEvent | answers.ChangeEvent},
    )
    def get(self, request: Request) -> Any:
        """Server-sent events: what each commit changed of an account's orders, fills, leases and balances.

        The first event is `start`: read the addresses in its `snapshot`, and apply every `change` that
        follows; an order's `version` says which is newer. Reconnect with `Last-Event-ID` and each `change`
        comes exactly once, in order. An id whose followers are gone (after three days, or 50,000 changes)
        gets `gap` instead of `start`: what was built before is to be thrown away.
        """
        namespace_id = self.namespace_id(request.query_params.get("account"))
        account = open_account(actor=self.actor, namespace_id=namespace_id, now=self.now())
        asked = last_event_id(request)
        span = account_events.follow(account.pk)
        resumes = asked is not None and span.before <= asked <= span.newest
        after = asked if asked is not None and resumes else span.newest
        first = b""
        if not resumes:
            body = answers.StreamStart(number=span.newest, snapshot=answers.SnapshotAddresses())
            name = "start" if asked is None else "gap"
            first = Event.of(span.newest, name, body).render()
        return serve(
            request,
            topic=f"{account_events.TOPIC}{account.pk}",
            after=after,
            first=first,
            is_allowed=_permission(request, namespace_id),
            most=STREAMS_OF_AN_ACCOUNT,
        )


def _permission(request: Request, namespace_id: int) -> Callable[[], bool]:
    """True if the credentials of the request may still see the account; tokens and memberships can end."""
    session = getattr(request, "session", None)
    by_token = credentials.of_header(request) is not None

    def is_allowed() -> bool:
        if not by_token and (session is None or not session.exists(session.session_key)):
            return False
        try:
            return policies.may_spend(principal_of(request), namespace_id)
        except Refusal:
            return False

    return is_allowed


urlpatterns = [path("account/stream", AccountStream.as_view())]
