"""The requests of the orders' API: their bodies and queries, and what the market is asked by them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from compute_market.api.base import Moment, StrictBoolean, StrictInteger
from compute_market.matching.intake.terms import CLIENT_NOTE_MAX, OrderRequest
from compute_market.matching.models import Order
from foundation.inputs import BoundedListField

CANCEL_AFTER_MAX = 24 * 3600

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


class CancelAfterBody(serializers.Serializer[Any]):
    seconds = StrictInteger(min_value=0, max_value=CANCEL_AFTER_MAX, help_text="0: not any more.")
    account = serializers.CharField(required=False, max_length=96)
