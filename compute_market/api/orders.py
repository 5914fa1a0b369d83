"""Orders: place, in bulk, amend, cancel, and why one has not filled (docs/market.md#orders)."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any

from django.db import connection
from django.urls import path
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from compute_market.api import problems
from compute_market.api.answers import orders as answers
from compute_market.api.base import (
    MarketView,
    Moment,
    StrictBoolean,
    StrictInteger,
    moment,
    named_account,
)
from compute_market.ledger import policies
from compute_market.matching import limits
from compute_market.matching.errors import BulkTooLarge
from compute_market.matching.intake import services
from compute_market.matching.intake.terms import CLIENT_NOTE_MAX, CLIENT_ORDER_ID_MAX, OrderRequest
from compute_market.matching.models import Order
from compute_market.matching.views import explain, selectors
from foundation.errors import Refusal
from foundation.inputs import BoundedListField

TAG = "orders"
WAIT_SECONDS_MAX = 30.0
WAIT_STEP_SECONDS = 0.01
CANCEL_AFTER_MAX = 24 * 3600
WAIT_STEP_SECONDS_MAX = 0.16

SIDES = {"buy": Order.Side.BUY, "sell": Order.Side.SELL}
FORCES = {force.name.lower(): force for force in Order.TimeInForce}
SELF_TRADE = {mode.name.lower(): mode for mode in Order.SelfTrade}

EXAMPLE = {
    "client_order_id": "train-42",
    "side": "buy",
    "product": "h100-sxm-80g.cn-east.reserved.ib",
    "gpus": 8,
    "start": "2026-07-01T12:00:00Z",
    "end": "2026-07-02T12:00:00Z",
    "limit_price": 2_040_000,
    "time_in_force": "gtc",
}


class ClientOrderId(serializers.CharField):
    """A trader's own name for an order, taken as it is: blanks at its ends belong to it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=64, trim_whitespace=False, **kwargs)


class OrderBody(serializers.Serializer[Any]):
    """One new order. Prices are micro-credits per GPU-hour."""

    client_order_id = ClientOrderId()
    side = serializers.ChoiceField(choices=list(SIDES))
    product = serializers.CharField(max_length=80)
    gpus = StrictInteger(min_value=1, max_value=2**31 - 1)
    start = Moment(
        required=False,
        allow_null=True,
        help_text="Left out: now, the current minute; of an extension, the end of the lease.",
    )
    end = Moment()
    limit_price = StrictInteger(min_value=1, help_text="Of a market order, the most (least) to pay (take).")
    type = serializers.ChoiceField(choices=["limit", "market"], default="limit")
    time_in_force = serializers.ChoiceField(choices=list(FORCES), required=False)
    expires_at = Moment(required=False, allow_null=True, help_text="With gtd.")
    post_only = StrictBoolean(default=False)
    self_trade = serializers.ChoiceField(choices=list(SELF_TRADE), default="cancel_newest")
    node = StrictInteger(required=False, allow_null=True, min_value=1)
    lease = StrictInteger(required=False, allow_null=True, min_value=1)
    same_node = StrictBoolean(
        required=False,
        allow_null=True,
        help_text="Of a buy: all GPUs from one node. Left out: true if the product has nodes as large as the"
        " order, else false.",
    )
    extends = StrictInteger(
        required=False,
        allow_null=True,
        min_value=1,
        help_text="Of a buy: the lease to carry on from its end, on its node, with as many GPUs.",
    )
    client_note = serializers.CharField(
        default="",
        allow_blank=True,
        max_length=CLIENT_NOTE_MAX,
        trim_whitespace=False,
        help_text="A remark of your own, which is shown on the order.",
    )
    account = serializers.CharField(
        required=False, max_length=96, help_text="A namespace you trade for; left out: your own."
    )


class AmendBody(serializers.Serializer[Any]):
    limit_price = StrictInteger(required=False, min_value=1)
    gpus = StrictInteger(
        required=False, min_value=1, max_value=2**31 - 1, help_text="The total, filled or not."
    )
    version = StrictInteger(required=False, min_value=1, help_text="The version it must still have.")


@extend_schema_field(OrderBody)
class OrderOfBulk(serializers.JSONField):
    """One order of a bulk, whatever it is: it is checked as an `OrderBody` by itself and refused alone."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_null=True, **kwargs)


# The largest value of `MARKET_BULK_MAX`; a longer list is refused before its orders are read.
BULK_ITEMS_MAX = 10_000


class BulkBody(serializers.Serializer[Any]):
    orders = BoundedListField(child=OrderOfBulk(), allow_empty=False, max_length=BULK_ITEMS_MAX)
    account = serializers.CharField(
        required=False, max_length=96, help_text="The account of the orders that name none themselves."
    )


class CancelAllBody(serializers.Serializer[Any]):
    product = serializers.CharField(required=False, max_length=80)
    account = serializers.CharField(required=False, max_length=96)


def request_of(body: dict[str, Any]) -> OrderRequest:
    """The core's request from a checked body."""
    is_market = body["type"] == "market"
    force = body.get("time_in_force") or ("ioc" if is_market else "gtc")
    return OrderRequest(
        client_order_id=body["client_order_id"],
        product=body["product"],
        side=SIDES[body["side"]].value,
        gpus=body["gpus"],
        start=body.get("start"),
        end=body["end"],
        price_micros_per_gpu_hour=body["limit_price"],
        time_in_force=FORCES[force].value,
        expires_at=body.get("expires_at"),
        is_market=is_market,
        post_only=body["post_only"],
        self_trade=SELF_TRADE[body["self_trade"]].value,
        node_id=body.get("node"),
        lease_id=body.get("lease"),
        same_node=body.get("same_node"),
        extends_id=body.get("extends"),
        client_note=body["client_note"],
    )


class OrdersQuery(serializers.Serializer[Any]):
    state = serializers.ChoiceField(choices=["live", *Order.State.values], required=False)
    product = serializers.CharField(required=False, max_length=80)
    side = serializers.ChoiceField(choices=list(SIDES), required=False)
    account = serializers.CharField(required=False, max_length=96)
    client_order_id = ClientOrderId(required=False)
    cursor = serializers.CharField(required=False, max_length=40)
    limit = serializers.IntegerField(required=False)


class Orders(MarketView):
    right = staticmethod(policies.require_market_scope)

    @extend_schema(
        tags=[TAG], operation_id="orders", parameters=[OrdersQuery], responses={200: answers.OrdersAnswer}
    )
    def get(self, request: Request) -> Response:
        """Orders of the accounts you trade for, newest first. `state=live` means not finished."""
        query = self.read(request.query_params.dict(), OrdersQuery)
        found = selectors.orders(actor=self.actor)
        if state := query.get("state"):
            found = found.filter(state__in=Order.LIVE if state == "live" else [state])
        if product := query.get("product"):
            found = found.filter(product__slug=product)
        if side := SIDES.get(query.get("side", "")):
            found = found.filter(side=side)
        if account := query.get("account"):
            found = found.filter(account__namespace=self.namespace_id(account))
        if client_order_id := query.get("client_order_id"):
            found = found.filter(client_order_id=client_order_id)
        rows, following = self.rows(request, found)
        items = [answers.OrderAnswer.of(order) for order in rows]
        return Response(answers.OrdersAnswer(items=items, next=following))

    @extend_schema(
        tags=[TAG],
        operation_id="place_order",
        request=OrderBody,
        responses={200: answers.DecidedOrder, 202: answers.DecidedOrder},
        parameters=[OpenApiParameter("wait", float, description="Seconds to wait for the outcome.")],
        examples=[OpenApiExample("buy", value=EXAMPLE, request_only=True)],
    )
    def post(self, request: Request) -> Response:
        """Place an order. 202 while it is pending; with `?wait=` up to that long for the outcome (200).

        The same body under the same client_order_id gives the first answer again, also if that was a refusal;
        another body is 409.
        """
        try:
            namespace_id, body = self.read_for_account(request, OrderBody, policies.require_buy)
        except serializers.ValidationError:
            (reused,) = _use_up_ids(self, [request.data], _Accounts(self, None))
            if reused is not None:
                raise reused from None
            raise
        wait = patience(request)
        order = services.place_order(
            actor=self.actor,
            namespace_id=namespace_id,
            request=request_of(body),
            now=self.now(),
        )
        return outcome(order, wait=wait)


def patience(request: Request) -> float:
    """For how many seconds the caller waits for an outcome: `?wait=`, at most `WAIT_SECONDS_MAX`."""
    try:
        wait = float(request.query_params.get("wait") or 0)
    except ValueError:
        wait = -1
    if not wait >= 0:  # nor is NaN a time to wait
        raise serializers.ValidationError({"wait": "A number of seconds is needed."})
    return min(WAIT_SECONDS_MAX, wait)


def _looks(wait: float) -> Iterator[None]:
    """Once at once, then again and again for as long as the caller waits."""
    deadline, step = time.monotonic() + wait, WAIT_STEP_SECONDS
    yield
    while time.monotonic() < deadline:
        if connection.in_atomic_block:  # a test's: nothing will change before our eyes
            return
        time.sleep(step)
        step = min(2 * step, WAIT_STEP_SECONDS_MAX)
        yield


def outcome(order: Order, *, wait: float) -> Response:
    """The order, once it is decided or the caller's patience ends; as it was accepted if there is none."""
    if wait and order.state == Order.State.PENDING:
        for _ in _looks(wait):
            if not selectors.is_pending(order.pk):
                break
        order = selectors.as_it_is(order)
    is_pending = order.state == Order.State.PENDING
    shape = answers.DecidedOrder.filled if wait and order.filled_gpu_minutes else answers.OrderAnswer.of
    return Response(shape(order), status=202 if is_pending else 200)


class Bulk(MarketView):
    right = staticmethod(policies.require_market_scope)
    cost = 10

    @extend_schema(
        tags=[TAG], operation_id="place_orders", request=BulkBody, responses={200: answers.BulkAnswer}
    )
    def post(self, request: Request) -> Response:
        """Up to 1,000 orders in one commit; `results` has an answer for each, in their order.

        An item that is no order, even a `null`, is refused alone.
        Each order is placed for the account that it names, else for that of the bulk.
        """
        body = self.read(request.data, BulkBody)
        if len(body["orders"]) > limits.bulk_max():
            raise BulkTooLarge(limit=limits.bulk_max())
        accounts = _Accounts(self, body.get("account"))
        shaped = [self._shape(order, accounts) for order in body["orders"]]
        bad = [n for n, item in enumerate(shaped) if isinstance(item, serializers.ValidationError)]
        for n, reused in zip(bad, _use_up_ids(self, [body["orders"][n] for n in bad], accounts), strict=True):
            shaped[n] = reused or shaped[n]
        good = [item for item in shaped if isinstance(item, services.Placing)]
        placed = services.place_orders(actor=self.actor, orders=good, now=self.now()) if good else ()
        decided = iter(placed)
        results = [
            self._result(next(decided) if isinstance(item, services.Placing) else item) for item in shaped
        ]
        return Response(answers.BulkAnswer(results=results))

    def _shape(self, data: object, accounts: _Accounts) -> services.Placing | Exception:
        """One order of the bulk, or why it is none."""
        try:
            namespace_id = accounts.find(named_account(data, OrderBody))
            return services.Placing(namespace_id, request_of(self.read(data, OrderBody)))
        except (serializers.ValidationError, Refusal) as error:
            return error

    @staticmethod
    def _result(placed: Order | Exception) -> answers.BulkResult:
        if isinstance(placed, Order):
            return answers.BulkResult(order=answers.OrderAnswer.of(placed))
        refused = problems.handle(placed, {})
        assert refused is not None
        return answers.BulkResult(error=refused.data)


class _Accounts:
    """The namespaces that the orders of a bulk name and the caller may buy for; each is looked up once."""

    def __init__(self, view: MarketView, default: str | None) -> None:
        self._view = view
        self._default = default
        self._found: dict[str | None, int | Refusal] = {}

    def find(self, name: str | None) -> int:
        """The id of a namespace. Raises: NamespaceNotFound, Unauthenticated, NotAMember."""
        name = name or self._default
        if name not in self._found:
            try:
                namespace_id = self._view.namespace_id(name)
                policies.require_buy(self._view.actor, namespace_id)
                self._found[name] = namespace_id
            except Refusal as refusal:
                self._found[name] = refusal
        found = self._found[name]
        if isinstance(found, Refusal):
            raise found
        return found


def _use_up_ids(view: MarketView, bodies: Sequence[Any], accounts: _Accounts) -> list[Refusal | None]:
    """Remember the ids of bodies that are no orders; for each, why its id was not free, or None.

    Bodies that name no id, or an account that the caller does not trade for, use nothing up.
    """
    answers: list[Refusal | None] = [None] * len(bodies)
    malformed: dict[int, services.Malformed] = {}
    for number, data in enumerate(bodies):
        name = data.get("client_order_id") if isinstance(data, dict) else None
        if not isinstance(name, str) or not 0 < len(name) <= CLIENT_ORDER_ID_MAX or not name.isprintable():
            continue
        account = data.get("account")
        try:
            namespace_id = accounts.find(account if isinstance(account, str) else None)
            said = sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:32]
            malformed[number] = services.Malformed(namespace_id, name, said)
        except Refusal:
            continue
    if malformed:
        found = services.use_up_ids(actor=view.actor, bodies=list(malformed.values()), now=view.now())
        for number, answer in zip(malformed, found, strict=True):
            answers[number] = answer
    return answers


class OneOrder(MarketView):
    right = staticmethod(policies.require_market_scope)

    @extend_schema(tags=[TAG], operation_id="order", responses={200: answers.OrderDetail})
    def get(self, request: Request, order_id: int) -> Response:
        """One order; `amendment` is the last requested change: pending, accepted or refused.

        `fills` has its newest 20 fills, newest first; `fills_url` lists all of them.
        """
        return Response(answers.OrderDetail.of(selectors.get_order(actor=self.actor, order_id=order_id)))

    @extend_schema(
        tags=[TAG],
        operation_id="amend_order",
        request=AmendBody,
        responses={200: answers.OrderDetail, 202: answers.OrderDetail},
        parameters=[OpenApiParameter("wait", float, description="Seconds to wait for the outcome.")],
    )
    def patch(self, request: Request, order_id: int) -> Response:
        """A new price, or a new total of GPUs. Fewer GPUs at the same price keep the place in the queue.

        202 while it is pending; with `?wait=` up to that long for the outcome (200), which `amendment` tells:
        one that is refused leaves the order as it was.
        """
        selectors.get_order(actor=self.actor, order_id=order_id)
        body, wait = self.read(request.data, AmendBody), patience(request)
        services.amend_order(
            actor=self.actor,
            order_id=order_id,
            price_micros_per_gpu_hour=body.get("limit_price"),
            gpus=body.get("gpus"),
            version=body.get("version"),
            now=self.now(),
        )
        for _ in _looks(wait):
            order = answers.OrderDetail.of(selectors.get_order(actor=self.actor, order_id=order_id))
            is_pending = order.amendment is not None and order.amendment.state == "pending"
            if not is_pending:
                break
        return Response(order, status=202 if is_pending else 200)

    @extend_schema(
        tags=[TAG], operation_id="cancel_order", request=None, responses={202: answers.OrderAnswer}
    )
    def delete(self, request: Request, order_id: int) -> Response:
        """Cancel what is left. A finished order is 409 `not_open`, a foreign one 404."""
        services.cancel_order(actor=self.actor, order_id=order_id, now=self.now())
        order = selectors.get_order(actor=self.actor, order_id=order_id)
        return Response(answers.OrderAnswer.of(order), status=202)


class CancelAll(MarketView):
    right = staticmethod(policies.require_trade_scope)

    @extend_schema(
        tags=[TAG], operation_id="cancel_all", request=CancelAllBody, responses={202: answers.Cancelling}
    )
    def post(self, request: Request) -> Response:
        """Cancel all live orders of an account, or those on one product."""
        namespace_id, body = self.read_for_account(request, CancelAllBody, policies.require_spend)
        count = services.cancel_all(
            actor=self.actor,
            namespace_id=namespace_id,
            product=body.get("product"),
            now=self.now(),
        )
        return Response(answers.Cancelling(cancelling=count), status=202)


class CancelAfterBody(serializers.Serializer[Any]):
    seconds = StrictInteger(min_value=0, max_value=CANCEL_AFTER_MAX, help_text="0: not any more.")
    account = serializers.CharField(required=False, max_length=96)


class CancelAfter(MarketView):
    right = staticmethod(policies.require_trade_scope)

    @extend_schema(
        tags=[TAG],
        operation_id="cancel_after",
        request=CancelAfterBody,
        responses={200: answers.CancelAfterAnswer},
    )
    def post(self, request: Request) -> Response:
        """Cancel all live orders of an account in so many seconds, unless you ask again before.

        A program that quotes prices calls this every few seconds: its orders do not outlive it long.
        The time is looked at every two seconds.
        """
        namespace_id, body = self.read_for_account(request, CancelAfterBody, policies.require_spend)
        at = services.cancel_after(
            actor=self.actor,
            namespace_id=namespace_id,
            seconds=body["seconds"],
            now=self.now(),
        )
        return Response(answers.CancelAfterAnswer(cancel_at=moment(at) if at else None))


class Explain(MarketView):
    right = staticmethod(policies.require_market_scope)
    cost = 5

    @extend_schema(
        tags=[TAG],
        operation_id="explain_order",
        responses={200: answers.ExplainAnswer},
    )
    def get(self, request: Request, order_id: int) -> Response:
        """Why it has not filled: the nearest misses, by price, by window and by product.

        `what` is `several`, `dearer`, `later`, `earlier`, `shorter`, `region`, `tier`, `interconnect` or
        `gpu` of a buy; `cheaper`, `longer` or `sold` of a sell; `halted` or `node` where it cannot trade at
        all now.
        """
        order = selectors.get_order(actor=self.actor, order_id=order_id)
        misses = [answers.MissAnswer.of(miss) for miss in explain.misses(order, now=self.now())]
        return Response(
            answers.ExplainAnswer(order=order.pk, state=order.state, reason=order.reason, misses=misses)
        )


urlpatterns = [
    path("orders", Orders.as_view()),
    path("orders/bulk", Bulk.as_view()),
    path("orders/cancel-all", CancelAll.as_view()),
    path("orders/cancel-after", CancelAfter.as_view()),
    path("orders/<row_id:order_id>", OneOrder.as_view()),
    path("orders/<row_id:order_id>/explain", Explain.as_view()),
]
