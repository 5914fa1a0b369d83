"""Orders: place, in bulk, amend, cancel, and why one has not filled (docs/market.md#orders)."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any

from django.db import connection
from django.urls import path
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from compute_market.api import problems
from compute_market.api.answers import orders as answers
from compute_market.api.base import (
    MarketView,
    moment,
    named_account,
)
from compute_market.api.order_requests import (
    EXAMPLE,
    SIDES,
    AmendBody,
    BulkBody,
    CancelAfterBody,
    CancelAllBody,
    OrderBody,
    OrdersQuery,
    request_of,
)
from compute_market.ledger import policies
from compute_market.matching import limits
from compute_market.matching.errors import BulkTooLarge
from compute_market.matching.intake import services
from compute_market.matching.intake.terms import CLIENT_ORDER_ID_MAX
from compute_market.matching.models import Order
from compute_market.matching.views import explain, selectors
from foundation.errors import Refusal

TAG = "orders"
WAIT_SECONDS_MAX = 30.0
WAIT_STEP_SECONDS = 0.01
WAIT_STEP_SECONDS_MAX = 0.16


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
        """The reasons that it has not filled: the nearest misses, by price, by window and by product.

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
