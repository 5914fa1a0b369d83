"""Own fills: what each order traded, at what price, with what fee, and which lease it brought."""

from __future__ import annotations

from typing import Any

from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from compute_market.api.answers.orders import FillAnswer, FillsAnswer
from compute_market.api.base import MarketView, Moment
from compute_market.ledger import policies
from compute_market.matching.models import Order
from compute_market.matching.views import fills
from foundation.whole_numbers import INT64_MAX

SIDES = {"buy": Order.Side.BUY, "sell": Order.Side.SELL}


class FillsQuery(serializers.Serializer[Any]):
    order = serializers.IntegerField(required=False, min_value=1, max_value=INT64_MAX)
    product = serializers.CharField(required=False, max_length=80)
    side = serializers.ChoiceField(choices=list(SIDES), required=False)
    account = serializers.CharField(required=False, max_length=96)
    since = Moment(required=False)
    until = Moment(required=False, help_text="Fills before this time.")
    cursor = serializers.CharField(required=False, max_length=40)
    limit = serializers.IntegerField(required=False)


class Fills(MarketView):
    right = staticmethod(policies.require_market_scope)

    @extend_schema(
        tags=["orders"], operation_id="fills", parameters=[FillsQuery], responses={200: FillsAnswer}
    )
    def get(self, request: Request) -> Response:
        """Your own fills, newest first: price, fee, total, order and lease.

        A trade between two accounts of yours is two fills, which stand together.
        """
        query = self.read(request.query_params.dict(), FillsQuery)
        mine = fills.orders_of(actor=self.actor, side=SIDES.get(query.get("side", "")))
        if number := query.get("order"):
            mine = mine.filter(pk=number)
        if product := query.get("product"):
            mine = mine.filter(product__slug=product)
        if account := query.get("account"):
            mine = mine.filter(account__namespace=self.namespace_id(account))
        trades = fills.trades_of(mine)
        if since := query.get("since"):
            trades = trades.filter(at__gte=since)
        if until := query.get("until"):
            trades = trades.filter(at__lt=until)
        found, following = self.rows(request, trades)
        items = [FillAnswer.of(fill) for fill in fills.sides(found, mine)]
        return Response(FillsAnswer(items=items, next=following))


urlpatterns = [path("fills", Fills.as_view())]
