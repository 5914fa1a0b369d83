"""The private stream of an account: its orders, fills, leases and balances as they change, with resume."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from django.urls import path
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request

from compute_market.api.base import MarketView, moment, principal_of
from compute_market.api.serving_streams import LAST_EVENT_ID, last_event_id, register, serve
from compute_market.api.streams import Event
from compute_market.leases.lifecycle import LeaseChange
from compute_market.ledger import account_events, policies
from compute_market.ledger.services import open_account
from compute_market.matching import quantities
from compute_market.matching.clearing.account_changes import FillChange, OrderChange
from compute_market.matching.models import Order
from compute_market.offers import selectors as offers
from foundation import credentials
from foundation.errors import Refusal

STREAMS_OF_AN_ACCOUNT = 20
SNAPSHOT = {
    "orders": "/api/market/v1/orders?state=live",
    "leases": "/api/market/v1/leases?state=live",
    "balance": "/api/market/v1/balance",
    "fills": "/api/market/v1/fills",
}


def _order(change: OrderChange, products: dict[int, str]) -> dict[str, Any]:
    return {
        "id": change.order,
        "client_order_id": change.client_order_id,
        "product": products.get(change.product),
        "side": Order.Side(change.side).name.lower(),
        "limit_price": change.price_micros_per_gpu_hour,
        "gpus": change.gpus,
        "state": change.state,
        "reason": change.reason,
        "filled_gpu_minutes": change.filled_gpu_minutes,
        "open_gpu_minutes": change.open_gpu_minutes,
        "cancelled_gpu_minutes": change.cancelled_gpu_minutes,
        "version": change.version,
    }


def _fill(change: FillChange, products: dict[int, str]) -> dict[str, Any]:
    return {
        "id": change.trade,
        "order": change.order,
        "product": products.get(change.product),
        "side": Order.Side(change.side).name.lower(),
        "liquidity": "taker" if change.is_taker else "maker",
        "price_micros_per_gpu_hour": change.price_micros_per_gpu_hour,
        "gpus": change.gpus,
        "start": moment(quantities.from_minutes(change.start)),
        "end": moment(quantities.from_minutes(change.end)),
        "notional_micros": change.notional_micros,
        "fee_micros": change.fee_micros,
    }


def _lease(change: LeaseChange, products: dict[int, str]) -> dict[str, Any]:
    return {
        "id": change.lease,
        "order": change.order,
        "product": products.get(change.product),
        "node": change.node,
        "gpus": change.gpus,
        "start": moment(datetime.fromtimestamp(change.start, UTC)),
        "end": moment(datetime.fromtimestamp(change.end, UTC)),
        "state": change.state,
        "reason": change.reason,
    }


def _balance(kind: str, balance: int, held: int) -> dict[str, Any]:
    return {
        "kind": kind,
        "balance_micros": balance,
        "held_micros": held,
        "available_micros": balance - held,
    }


def _render(event: account_events.NumberedEvent, products: dict[int, str]) -> Event:
    changed = event.payload
    body = {
        "number": event.number,
        "at": moment(event.at),
        "orders": [_order(OrderChange(*row), products) for row in changed.get(account_events.ORDERS, ())],
        "fills": [_fill(FillChange(*row), products) for row in changed.get(account_events.FILLS, ())],
        "leases": [_lease(LeaseChange(*row), products) for row in changed.get(account_events.LEASES, ())],
        "balances": [_balance(*row) for row in changed.get(account_events.BALANCES, ())],
    }
    return Event(event.number, "change", json.dumps(body, separators=(",", ":")))


@register("account")
def fetch(key: str, after: int, limit: int) -> Sequence[Event]:
    """The events of an account, by its primary key, after a number."""
    found = account_events.read(int(key), after=after, limit=limit)
    if not found:
        return ()
    products = offers.product_slugs()
    return [_render(event, products) for event in found]


class AccountStream(MarketView):
    right = staticmethod(policies.require_trade_scope)

    @extend_schema(
        tags=["accounts"],
        operation_id="account_stream",
        parameters=[OpenApiParameter("account", str, description="A namespace."), *LAST_EVENT_ID],
        responses={(200, "text/event-stream"): str},
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
            body = {"number": span.newest, "snapshot": SNAPSHOT}
            name = "start" if asked is None else "gap"
            first = Event(span.newest, name, json.dumps(body, separators=(",", ":"))).render()
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
