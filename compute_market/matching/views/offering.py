"""The suppliers of the offers on the book: the providers and the kind of their hardware, shown to buyers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from django.utils.translation import gettext as _

from compute_market.leases import suppliers
from compute_market.leases.suppliers import Supplier
from compute_market.matching.models import Order
from compute_market.matching.views import marketdata
from compute_market.offers.models import HardwareReport, Node


class OfferQuery(NamedTuple):
    """Offers of a product that cover a window at a price or better; `at_price`: at this price alone."""

    product_id: int
    start: datetime
    end: datetime
    price_micros: int
    at_price: bool = False


@dataclass(frozen=True, slots=True)
class Offering:
    """A provider that offers, and how its hardware there is known.

    `hardware` is `measured`, `declared`, `none` (never reported, as the demo's), or `mixed`.
    """

    supplier: Supplier
    hardware: str

    @property
    def hardware_said(self) -> str:
        return {
            "measured": _("measured hardware"),
            "declared": _("declared hardware, not measured"),
            "mixed": _("hardware partly measured"),
        }.get(self.hardware, _("hardware not reported"))


def hardware_of(node: Node) -> str:
    """`measured`, `declared`, or `none` for a node that never reported, such as one of the demo's."""
    if not node.hardware:
        return "none"
    return "declared" if node.hardware == HardwareReport.Method.DECLARED else "measured"


def offerings(wanted: Sequence[OfferQuery], *, now: datetime) -> list[list[Offering]]:
    """For each of what is wanted, who offers it; by name. Four statements however much is wanted."""
    products = {each.product_id for each in wanted}
    live = Order.objects.live().filter(side=Order.Side.SELL, product__in=products, end__gt=now)
    sells = list(live.exclude(state=Order.State.PENDING).select_related("node"))
    of: list[dict[int, set[str]]] = []
    for each in wanted:
        kinds: dict[int, set[str]] = {}
        for order in sells:
            if order.node is not None and _is_one(order, each) and order.node.is_tradable(now):
                kinds.setdefault(order.node.provider_id, set()).add(hardware_of(order.node))
        of.append(kinds)
    known = suppliers.suppliers({pk for kinds in of for pk in kinds}, now=now)
    return [
        sorted((Offering(known[pk], _joined(hardware)) for pk, hardware in kinds.items()), key=_name)
        for kinds in of
    ]


def of_quotes(quotes: Sequence[marketdata.Quote], *, now: datetime) -> list[list[Offering]]:
    """The suppliers behind each quote."""
    return offerings(
        [OfferQuery(quote.product.pk, quote.start, quote.end, quote.limit_micros) for quote in quotes],
        now=now,
    )


def of_order(order: Order, *, now: datetime) -> list[Offering]:
    """The suppliers of what a buy has bought; before that, of what it could buy now. A sell has none."""
    if order.side != Order.Side.BUY:
        return []
    sold = order.trades_as_buy.order_by().values_list("sell__node", flat=True)
    nodes = list(Node.objects.filter(pk__in=sold))
    if nodes:
        return of_nodes(nodes, now=now)
    if not order.is_live:
        return []
    wanted = OfferQuery(order.product_id, order.start, order.end, order.price_micros_per_gpu_hour)
    return offerings([wanted], now=now)[0]


def of_nodes(nodes: Iterable[Node], *, now: datetime) -> list[Offering]:
    """The providers of the nodes."""
    kinds: dict[int, set[str]] = {}
    for node in nodes:
        kinds.setdefault(node.provider_id, set()).add(hardware_of(node))
    known = suppliers.suppliers(kinds, now=now)
    return sorted((Offering(known[pk], _joined(hardware)) for pk, hardware in kinds.items()), key=_name)


def _is_one(order: Order, wanted: OfferQuery) -> bool:
    price = order.price_micros_per_gpu_hour
    is_priced = price == wanted.price_micros if wanted.at_price else price <= wanted.price_micros
    return (
        order.product_id == wanted.product_id
        and is_priced
        and order.start <= wanted.start
        and order.end >= wanted.end
    )


def _joined(kinds: Iterable[str]) -> str:
    first, *others = sorted(kinds)
    return "mixed" if others else first


def _name(offering: Offering) -> str:
    return offering.supplier.name
