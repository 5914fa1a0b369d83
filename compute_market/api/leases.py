"""Leases: what one holds and supplies, what runs in it, its end (docs/market-leases.md#a-lease)."""

from __future__ import annotations

from typing import Any

from django.urls import path
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from compute_market.api.answers import leases as answers
from compute_market.api.answers.market_data import SupplierAnswer
from compute_market.api.answers.orders import DecidedOrder
from compute_market.api.base import MarketView, Moment, StrictInteger
from compute_market.api.order_requests import ClientOrderId
from compute_market.api.orders import outcome, patience
from compute_market.leases import cancellation, selectors, services, serving
from compute_market.leases.states import State
from compute_market.ledger import policies
from compute_market.matching.intake import services as trading
from compute_market.matching.intake.terms import OrderRequest
from compute_market.matching.models import Order
from compute_market.matching.views import offering
from foundation.inputs import BoundedDictField, BoundedListField

TAG = "leases"


class ServedBody(serializers.Serializer[Any]):
    """A port or a socket that a work serves, and perhaps a name."""

    port = serializers.IntegerField(required=False, min_value=1, max_value=65535)
    socket = serializers.CharField(required=False, help_text="A file in the work's folder.")
    name = serializers.CharField(required=False, allow_blank=True)


@extend_schema_field(ServedBody)
class ServedEntry(serializers.DictField):
    """An entry of `serves`. `leases.serving` checks it."""


class RunBody(serializers.Serializer[Any]):
    command = BoundedListField(
        child=serializers.CharField(max_length=10_000, trim_whitespace=False, allow_blank=True),
        min_length=1,
        max_length=200,
        help_text="The program and its arguments, each passed on as it is: blanks and newlines too.",
    )
    environment = BoundedDictField(
        child=serializers.CharField(trim_whitespace=False, allow_blank=True),
        required=False,
        max_length=services.VARIABLES_MAX,
    )
    image = serializers.CharField(required=False, allow_blank=True, default="", max_length=300)
    runner = serializers.CharField(required=False, allow_blank=True, default="", max_length=12)
    serves = BoundedListField(
        child=ServedEntry(),
        required=False,
        max_length=serving.SERVED_MAX,
        help_text='Reached from outside: [{"port": 8888, "name": "notebook"}, {"socket": "engine.sock"}].',
    )


class SellBackBody(serializers.Serializer[Any]):
    client_order_id = ClientOrderId()
    gpus = StrictInteger(min_value=1)
    limit_price = StrictInteger(min_value=1)
    start = Moment(
        required=False, allow_null=True, help_text="Left out: now, or when the lease begins if that is later."
    )


class NoticeBody(serializers.Serializer[Any]):
    preempt_at = Moment()
    reason = serializers.CharField(max_length=300)


class ReclaimBody(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=300)


class LeasesQuery(serializers.Serializer[Any]):
    state = serializers.ChoiceField(choices=["live", *(state.value for state in State)], required=False)
    order = serializers.IntegerField(required=False, min_value=1, help_text="The buy that brought them.")
    cursor = serializers.CharField(required=False, max_length=40)
    limit = serializers.IntegerField(required=False)


class Leases(MarketView):
    right = staticmethod(policies.require_market_scope)

    @extend_schema(
        tags=[TAG],
        operation_id="leases",
        parameters=[LeasesQuery],
        responses={200: answers.LeasesAnswer},
    )
    def get(self, request: Request) -> Response:
        """Leases that you hold or supply, newest first. `state=live` means not over.

        `work` is what runs, or ran last, in a lease that you hold.
        """
        query = self.read(request.query_params.dict(), LeasesQuery)
        found = selectors.leases(actor=self.actor)
        if order := query.get("order"):
            found = found.filter(order_number=order)
        if state := query.get("state"):
            found = found.live() if state == "live" else found.filter(state=state)
        shown, following = self.rows(request, found)
        works = selectors.newest_works(actor=self.actor, leases=shown)
        items = [answers.LeaseAnswer.of(lease, works.get(lease.pk)) for lease in shown]
        return Response(answers.LeasesAnswer(items=items, next=following))


class OneLease(MarketView):
    right = staticmethod(policies.require_market_scope)

    @extend_schema(tags=[TAG], operation_id="lease", responses={200: answers.LeaseDetail})
    def get(self, request: Request, lease_id: int) -> Response:
        lease = selectors.get_lease(actor=self.actor, lease_id=lease_id)
        [supplier] = SupplierAnswer.several(offering.of_nodes([lease.node], now=self.now()))
        cancel = answers.CancelTerms.of(cancellation.of_lease(lease))
        found = answers.LeaseAnswer.seen_by(self.actor, lease)
        return Response(found.widened(answers.LeaseDetail, supplier=supplier, cancel=cancel))


class Events(MarketView):
    right = staticmethod(policies.require_market_scope)

    @extend_schema(tags=[TAG], operation_id="lease_events", responses={200: answers.LeaseEventsAnswer})
    def get(self, request: Request, lease_id: int) -> Response:
        lease = selectors.get_lease(actor=self.actor, lease_id=lease_id)
        items = [answers.LeaseEventAnswer.of(event) for event in selectors.events_of(lease)[:1000]]
        return Response(answers.LeaseEventsAnswer(items=items))


class Run(MarketView):
    right = staticmethod(policies.require_market_scope)

    @extend_schema(
        tags=[TAG],
        operation_id="run_work",
        request=RunBody,
        responses={202: answers.WorkAnswer},
        examples=[OpenApiExample("run", value={"command": ["nvidia-smi", "-L"]}, request_only=True)],
    )
    def post(self, request: Request, lease_id: int) -> Response:
        """Run a program in the lease: a list of words, never a line for a shell."""
        selectors.get_held_lease(actor=self.actor, lease_id=lease_id)
        body = self.read(request.data, RunBody)
        work = services.run_work(
            actor=self.actor,
            lease_id=lease_id,
            command=body["command"],
            environment=body.get("environment"),
            image=body["image"],
            runner=body["runner"],
            serves=body.get("serves", ()),
            now=self.now(),
        )
        return Response(answers.WorkAnswer.of(work), status=202)

    @extend_schema(tags=[TAG], operation_id="stop_work", request=None, responses={202: answers.WorkAnswer})
    def delete(self, request: Request, lease_id: int) -> Response:
        work = services.stop_work(actor=self.actor, lease_id=lease_id, now=self.now())
        return Response(answers.WorkAnswer.of(work), status=202)


class Logs(MarketView):
    right = staticmethod(policies.require_market_scope)

    @extend_schema(
        tags=[TAG],
        operation_id="lease_logs",
        parameters=[OpenApiParameter("after", int, description="The byte to go on from.")],
        responses={200: answers.LogsAnswer},
    )
    def get(self, request: Request, lease_id: int) -> Response:
        """The output of what runs, or ran last; ask again with `next`."""
        after = self.number(request, "after") or 0
        lease = selectors.get_held_lease(actor=self.actor, lease_id=lease_id)
        work = selectors.newest_work(lease)
        output, following = selectors.read_log(work, after=after)
        return Response(answers.LogsAnswer(work=answers.WorkAnswer.of(work), text=output, next=following))


class End(MarketView):
    right = staticmethod(policies.require_market_scope)

    @extend_schema(tags=[TAG], operation_id="end_lease", request=None, responses={200: answers.LeaseAnswer})
    def post(self, request: Request, lease_id: int) -> Response:
        """End with the minute that runs; what was not used is paid back."""
        services.end_early(actor=self.actor, lease_id=lease_id, now=self.now())
        lease = selectors.get_lease(actor=self.actor, lease_id=lease_id)
        return Response(answers.LeaseAnswer.seen_by(self.actor, lease))


class Notice(MarketView):
    right = staticmethod(policies.require_trade_scope)

    @extend_schema(
        tags=[TAG], operation_id="give_notice", request=NoticeBody, responses={200: answers.LeaseAnswer}
    )
    def post(self, request: Request, lease_id: int) -> Response:
        """A provider takes a lease's GPUs back at a time not too near; its bond pays the holder's credit."""
        selectors.get_supplied_lease(actor=self.actor, lease_id=lease_id)
        body = self.read(request.data, NoticeBody)
        services.give_notice(
            actor=self.actor,
            lease_id=lease_id,
            preempt_at=body["preempt_at"],
            reason=body["reason"],
            now=self.now(),
        )
        lease = selectors.get_lease(actor=self.actor, lease_id=lease_id)
        return Response(answers.LeaseAnswer.seen_by(self.actor, lease))


class Reclaim(MarketView):
    right = staticmethod(policies.require_operator)

    @extend_schema(
        tags=["operators"], operation_id="reclaim", request=ReclaimBody, responses={200: answers.Reclaimed}
    )
    def post(self, request: Request, lease_id: int) -> Response:
        """An operator ends a lease at once, as for abuse; what was not used is paid back."""
        body = self.read(request.data, ReclaimBody)
        lease = services.reclaim(actor=self.actor, lease_id=lease_id, reason=body["reason"], now=self.now())
        return Response(answers.Reclaimed.of(lease))


class SellBack(MarketView):
    right = staticmethod(policies.require_trade_scope)

    @extend_schema(
        tags=[TAG],
        operation_id="sell_back",
        request=SellBackBody,
        responses={200: DecidedOrder, 202: DecidedOrder},
        parameters=[OpenApiParameter("wait", float, description="Seconds to wait for the outcome.")],
    )
    def post(self, request: Request, lease_id: int) -> Response:
        """Offer what is left of a lease on the book: a sell order whose source is the lease."""
        lease = selectors.get_held_lease(actor=self.actor, lease_id=lease_id)
        body, wait = self.read(request.data, SellBackBody), patience(request)
        namespace_id = lease.holder.namespace_id
        assert namespace_id is not None
        order = trading.place_order(
            actor=self.actor,
            namespace_id=namespace_id,
            request=OrderRequest(
                client_order_id=body["client_order_id"],
                product=lease.product.slug,
                side=Order.Side.SELL.value,
                gpus=body["gpus"],
                start=body.get("start"),
                end=lease.ends_at,
                price_micros_per_gpu_hour=body["limit_price"],
                lease_id=lease.pk,
            ),
            now=self.now(),
        )
        return outcome(order, wait=wait)


urlpatterns = [
    path("leases", Leases.as_view()),
    path("leases/<row_id:lease_id>", OneLease.as_view()),
    path("leases/<row_id:lease_id>/events", Events.as_view()),
    path("leases/<row_id:lease_id>/work", Run.as_view()),
    path("leases/<row_id:lease_id>/logs", Logs.as_view()),
    path("leases/<row_id:lease_id>/end", End.as_view()),
    path("leases/<row_id:lease_id>/notice", Notice.as_view()),
    path("leases/<row_id:lease_id>/reclaim", Reclaim.as_view()),
    path("leases/<row_id:lease_id>/sell-back", SellBack.as_view()),
]
