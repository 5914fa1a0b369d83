"""The order ticket of a product's page: how it is filled in, reviewed and sent; links to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from django.http import HttpRequest
from django.utils.http import urlencode

from compute_market.ledger import selectors as ledger
from compute_market.matching.intake import previews, services
from compute_market.matching.intake.previews import BuyPreview
from compute_market.matching.intake.terms import OrderRequest
from compute_market.matching.models import Order
from compute_market.matching.views import marketdata, offering
from compute_market.matching.views import selectors as orders
from compute_market.matching.views.explain import Miss
from compute_market.offers.models import Product
from compute_market.web.forms import TicketForm, amount_of
from compute_market.web.requests import actor_of, add_problems, renew_id, submit, trading_as
from foundation.clock import HOUR, floor_minute
from foundation.whole_numbers import whole_number
from hub.interface import Namespace

HOURS_DEFAULT = 24


@dataclass(slots=True)
class Ticket:
    """A ticket: its form, what a review found, the order once it was placed.

    `is_moved`: the order cannot start now and was moved to the next full hour; the trader reviews it again.
    """

    form: TicketForm
    review: BuyPreview | None = None
    offerings: Sequence[offering.Offering] = ()
    placed: Order | None = None
    is_moved: bool = False


def address(
    slug: str, *, gpus: int, start: datetime, end: datetime, price_micros: int, machines: str = ""
) -> str:
    """The address of a product's page whose ticket is filled in; `machines`: `any`, `one` or nothing."""
    values = {
        "gpus": str(gpus),
        "hours": str(max(1, round((end - start) / HOUR))),
        "start": start.strftime("%Y-%m-%dT%H:%M"),
        "price": amount_of(price_micros),
        "machines": machines,
    }
    return f"/market/products/{slug}?{urlencode({name: value for name, value in values.items() if value})}"


def address_of_quote(quote: marketdata.Quote) -> str:
    """The ticket that orders what a quote says."""
    return address(
        quote.product.slug,
        gpus=quote.gpus,
        start=quote.start,
        end=quote.end,
        price_micros=quote.limit_micros,
        machines="" if quote.same_node else "any",
    )


def address_of_miss(order: Order, miss: Miss) -> str:
    """The ticket for what an order could have instead; empty where that is not another product."""
    if miss.product == order.product.slug or miss.start is None or miss.end is None:
        return ""
    return address(
        miss.product,
        gpus=miss.gpus,
        start=miss.start,
        end=miss.end,
        price_micros=miss.price_micros or order.price_micros_per_gpu_hour,
    )


def open_ticket(request: HttpRequest, traded: Product, *, book: marketdata.BookView, now: datetime) -> Ticket:
    """The ticket as the address fills it in; reviewed or placed, if it was sent."""
    if request.method != "POST":
        return Ticket(TicketForm(initial=_filled_in(request, traded, book=book, now=now)))
    ticket, namespace = Ticket(TicketForm(request.POST)), trading_as(request)
    if not ticket.form.is_valid():
        return ticket
    if request.POST.get("act") == "now":
        _take_best(ticket.form, traded, now=now)
    is_sent = request.POST.get("act") == "place"
    # Sent twice, as by a double click: the first order is the answer, and its hold is no reason to refuse.
    if not (is_sent and _is_placed(request, ticket.form, namespace)):
        _review(request, ticket, traded, namespace, now=now)
    if is_sent and not ticket.form.errors and not ticket.is_moved:
        ticket.placed = submit(
            request,
            ticket.form,
            lambda _: services.place_order(
                actor=actor_of(request),
                namespace_id=namespace.pk,
                request=_order_of(ticket.form, traded, now),
                now=now,
            ),
        )
    renew_id(ticket.form)
    return ticket


def _is_placed(request: HttpRequest, form: TicketForm, namespace: Namespace) -> bool:
    account = ledger.find_account(actor=actor_of(request), namespace_id=namespace.pk)
    return account is not None and orders.is_placed(account.pk, form.cleaned_data["client_order_id"])


def _filled_in(
    request: HttpRequest, traded: Product, *, book: marketdata.BookView, now: datetime
) -> dict[str, object]:
    """A first filling: it starts now if enough is offered from now on, else with the next full hour."""
    gpus = whole_number(request.GET.get("gpus")) or traded.lot
    hours = whole_number(request.GET.get("hours")) or HOURS_DEFAULT
    start = request.GET.get("start") or None
    price = request.GET.get("price", "").replace(",", "")
    asks = book.asks
    if start is None and request.user.is_authenticated:
        at_once = marketdata.book(traded, start=floor_minute(now), end=book.end).asks
        if sum(offered for _price, offered in at_once) >= gpus:
            asks = at_once
        else:
            start = book.start.strftime("%Y-%m-%dT%H:%M")
    return {
        "gpus": gpus,
        "hours": hours,
        "start": start,
        "price": price or amount_of(_enough_for(gpus, asks) or traded.reference_price_micros),
        "same_node": request.GET.get("machines", ""),
        "client_order_id": f"web-{uuid4().hex}",
    }


def _enough_for(gpus: int, asks: Sequence[tuple[int, int]]) -> int | None:
    """The lowest limit that reaches so many GPUs, else the dearest offer; None without offers."""
    reached = 0
    for price, offered in asks:
        reached += offered
        if reached >= gpus:
            return price
    return asks[-1][0] if asks else None


def _take_best(form: TicketForm, traded: Product, *, now: datetime) -> None:
    """Make the order one that takes the best offers at once: the lowest limit that reaches all GPUs.

    The trader still reviews it: the page shows what it costs at most.
    """
    start, end = form.window(now)
    asks = marketdata.book(traded, start=start or floor_minute(now), end=end).asks
    limit = _enough_for(form.cleaned_data["gpus"], asks)
    form.take_at_once(limit or form.cleaned_data["price"])


def _review(
    request: HttpRequest, ticket: Ticket, traded: Product, namespace: Namespace, *, now: datetime
) -> None:
    """Put the preview into the ticket; all that the market would refuse becomes an error at its field.

    An order that begins now cannot wait: it would expire within the minute. If it wants to wait and not all
    of it is offered, it begins with the next full hour.
    """
    form, actor = ticket.form, actor_of(request)

    def look() -> BuyPreview:
        return previews.preview_buy(
            actor=actor,
            namespace_id=namespace.pk,
            product=traded,
            request=_order_of(form, traded, now),
            now=now,
        )

    review = look()
    data = form.cleaned_data
    waits = data["time_in_force"] == Order.TimeInForce.GTC
    is_met = review.offered_gpus >= data["gpus"] and not data["post_only"]
    if data["start"] is None and waits and not is_met and not review.problems:
        form.begin_at(floor_minute(now).replace(minute=0) + HOUR)
        ticket.is_moved = True
        review = look()
    ticket.review = review
    add_problems(form, review.problems, end="hours")
    wanted = (
        offering.OfferQuery(traded.pk, review.start, review.end, data["price"]) if not form.errors else None
    )
    ticket.offerings = offering.offerings([wanted], now=now)[0] if wanted else ()


def _order_of(form: TicketForm, traded: Product, now: datetime) -> OrderRequest:
    """The order that a valid form asks for."""
    data = form.cleaned_data
    start, end = form.window(now)
    return OrderRequest(
        client_order_id=data["client_order_id"],
        product=traded.slug,
        side=Order.Side.BUY,
        gpus=data["gpus"],
        start=start,
        end=end,
        price_micros_per_gpu_hour=data["price"],
        time_in_force=form.force(),
        expires_at=data["expires_at"],
        post_only=data["post_only"],
        self_trade=data["self_trade"] or Order.SelfTrade.CANCEL_NEWEST.value,
        same_node=data["same_node"],
    )
