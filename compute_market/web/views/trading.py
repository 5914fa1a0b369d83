"""Products, a product's page with its ticket, quotes, and one's orders."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from compute_market.matching.intake import previews, services
from compute_market.matching.models import Order
from compute_market.matching.views import explain, marketdata, offering, overview, reasons, selectors
from compute_market.offers import selectors as offers
from compute_market.offers.models import Product
from compute_market.web import charts, ladder, tickets
from compute_market.web.forms import AmendForm, QuoteForm, amount_of
from compute_market.web.requests import actor_of, add_problems, page, submit, traders
from foundation import paging
from foundation.clock import HOUR, database_now
from foundation.whole_numbers import whole_number
from hub.interface import read_notices_of

TRADES_SHOWN = 30
TRADES_CHARTED = 1_500
ORDERS_PAGE = 40
PRODUCTS_PAGE = 60
TILES_SHOWN = 6
WORDS_MAX = 8
TICKER_PRODUCTS = 8
BOOK_LEVELS = 12
QUOTES_SHOWN = 20
OWN_ORDERS_SHOWN = 10
INTERVALS = {
    "1m": timedelta(minutes=1),
    "15m": timedelta(minutes=15),
    "1h": HOUR,
    "6h": timedelta(hours=6),
    "1d": timedelta(days=1),
}
HOURS_SHOWN, HOURS_MAX = 24, 24 * 366


def index(request: HttpRequest) -> HttpResponse:
    """The market at a glance, and its products: narrowed, searched and sorted by the address."""
    listed = list(offers.products().exclude(state=Product.State.CLOSED))
    fields = ("gpu", "region", "tier")
    chosen = {name: request.GET.get(name, "") for name in fields}
    words = request.GET.get("q", "").lower().split()[:WORDS_MAX]
    rows = overview.rows(listed, now=database_now())
    board = overview.board(rows)
    matching = [
        row
        for row in rows
        if all(not value or getattr(row.product, name) == value for name, value in chosen.items())
        and all(word in row.product.slug for word in words)
    ]
    live = [row for row in matching if row.is_live]
    with_all = request.GET.get("all") == "1" or not board.groups
    shown = matching if with_all else live
    sort = request.GET.get("sort", "")
    shown.sort(key=SORTS.get(sort, _by_use))
    context = {
        "rows": paging.page_of(request, shown, PRODUCTS_PAGE),
        "choices": [(name, sorted({str(getattr(p, name)) for p in listed}), chosen[name]) for name in fields],
        "q": " ".join(words),
        "sort": sort,
        "with_all": with_all,
        "hidden": len(matching) - len(live),
        "board": board,
        "tiles": board.groups[:TILES_SHOWN],
        "total": len(listed),
        "has_demo": offers.has_demo(),
    }
    return page(request, "market/index.html", context, fragment="rows")


def _by_use(row: overview.Row) -> tuple[bool, bool, str]:
    """Products that trade first, then those with offers."""
    return row.last_micros is None, row.ask_micros is None, row.product.slug


def _none_last(name: str, *, falling: bool = False) -> Callable[[overview.Row], tuple[bool, int, str]]:
    """The order by a figure of a row; rows without it come last."""

    def key(row: overview.Row) -> tuple[bool, int, str]:
        value = getattr(row, name)
        return value is None, -(value or 0) if falling else value or 0, row.product.slug

    return key


SORTS: dict[str, Callable[[overview.Row], tuple[bool, int, str]]] = {
    "ask": _none_last("ask_micros"),
    "last": _none_last("last_micros"),
    "change": _none_last("change_bps", falling=True),
    "bid": _none_last("bid_micros", falling=True),
    "offered": _none_last("offered_gpus", falling=True),
    "volume": _none_last("day_gpu_minutes", falling=True),
    "product": lambda row: (False, 0, row.product.slug),
}
"""The columns that the list of products is sorted by."""


def ticker(request: HttpRequest) -> HttpResponse:
    """The strip of the front page: products that trade or are offered."""
    rows = overview.rows(list(offers.products().filter(state=Product.State.OPEN)), now=database_now())
    live = [row for row in rows if row.last_micros or row.ask_micros]
    live.sort(key=lambda row: (row.last_micros is None, row.product.slug))
    return page(request, "market/ticker.html", {"rows": live[:TICKER_PRODUCTS]})


def fit(request: HttpRequest) -> HttpResponse:
    """For a model's page: the best quote for a GPU whose memory holds these bytes of weights."""
    size = request.GET.get("bytes", "")
    # Weights, and a fifth more for what a running model needs besides.
    needed_gb = int(size) * 12 // 10 // 10**9 + 1 if size.isdecimal() and len(size) < 18 else 1
    products = list(offers.products().filter(state=Product.State.OPEN))
    fitting = [(p, -(-needed_gb // p.memory_gb)) for p in products]
    single = [p for p, count in fitting if count == 1]
    found = marketdata.quotes(single, gpus=1, hours=1, within_days=1, now=database_now())
    best = found[0] if found else None
    context = {
        "quote": best,
        "address": tickets.address_of_quote(best) if best else "",
        "needed_gb": needed_gb,
        "fits_one": bool(single),
    }
    return page(request, "market/fit.html", context)


def product(request: HttpRequest, slug: str) -> HttpResponse:
    """One product: book, charts, trades and the order ticket."""
    found = offers.get_product(slug)
    now = database_now()
    live = _live(request, found, now=now)
    trades = list(selectors.trades(product_id=found.pk)[:TRADES_CHARTED])
    charted = [(t.at, t.price_micros_per_gpu_hour, t.gpus) for t in reversed(trades)]
    ticket = tickets.open_ticket(request, found, book=live["book"], now=now)
    if ticket.placed is not None:
        messages.success(request, _("Order #%(id)s placed. Matching…") % {"id": ticket.placed.pk})
        return HttpResponseRedirect(f"/market/orders/{ticket.placed.pk}")
    interval = request.GET.get("interval", "")
    candles = charts.candles(charted, period=INTERVALS.get(interval) or _period(charted))
    context = {
        **live,
        "candles": candles,
        "interval": interval if interval in INTERVALS else "",
        "intervals": list(INTERVALS),
        "calendar": ladder.calendar_days(marketdata.calendar(found, hours=live["hours"], now=now)),
        "clock_hours": range(24),
        "scale": charts.scale(candles),
        "trades": trades[:TRADES_SHOWN],
        "form": ticket.form,
        "ticket": ticket,
        "review": ticket.review,
        "namespaces": traders(request) if request.user.is_authenticated else [],
    }
    return page(request, "market/product.html", context, form=ticket.form)


def _own_orders(request: HttpRequest, traded: Product) -> list[Order]:
    """The visitor's live orders of a product: the book shows one window, and they may have others."""
    if not request.user.is_authenticated:
        return []
    mine = selectors.orders(actor=actor_of(request)).filter(product=traded, state__in=Order.LIVE)
    return list(mine[:OWN_ORDERS_SHOWN])


def news(request: HttpRequest, slug: str) -> HttpResponse:
    """The parts of a product's page that change while it is open, each by its id; some kilobytes."""
    found = offers.get_product(slug)
    trades = selectors.trades(product_id=found.pk)[:TRADES_SHOWN]
    context = {**_live(request, found, now=database_now()), "trades": trades, "is_news": True}
    return page(request, "market/product/news.html", context)


def _live(request: HttpRequest, traded: Product, *, now: datetime) -> dict[str, Any]:
    """Prices and the book over the hours that the address names, from the next full hour."""
    # The number is read first: an event between it and the book is sent twice rather than never.
    sequence = marketdata.last_news(traded)
    start = now.replace(minute=0, second=0, microsecond=0) + HOUR
    hours = whole_number(request.GET.get("hours")) or HOURS_SHOWN
    hours = hours if hours <= HOURS_MAX else HOURS_SHOWN
    book = marketdata.book(traded, start=start, end=start + hours * HOUR)
    [row] = overview.rows([traded], now=now)
    own_orders = _own_orders(request, traded)
    return {
        "product": traded,
        "row": row,
        "book": book,
        "ladder": ladder.ladder(book.bids, book.asks, own=own_orders, levels=BOOK_LEVELS),
        "own_orders": own_orders,
        "depth": charts.depth(book.bids, book.asks),
        "hours": hours,
        "sequence": sequence,
    }


def _period(trades: list[tuple[Any, int, int]]) -> timedelta:
    """Long enough that a page of candles covers what is charted."""
    span = trades[-1][0] - trades[0][0] if trades else timedelta(0)
    for period in (timedelta(minutes=1), timedelta(minutes=15), HOUR, timedelta(hours=6)):
        if span <= period * charts.CANDLES_MAX:
            return period
    return timedelta(days=1)


def quote(request: HttpRequest) -> HttpResponse:
    """The cheapest start for so many GPUs and hours."""
    products = list(offers.products().filter(state=Product.State.OPEN))
    form = QuoteForm(request.GET if "gpus" in request.GET else None, products=products)
    found: list[marketdata.Quote] = []
    now = database_now()
    if form.is_bound and form.is_valid():
        data = form.cleaned_data
        fitting = [
            p
            for p in products
            if (not data["gpu"] or p.gpu == data["gpu"])
            and (not data["region"] or p.region == data["region"])
            and p.memory_gb >= (data["memory_gb"] or 0)
        ]
        found = marketdata.quotes(
            fitting, gpus=data["gpus"], hours=data["hours"], within_days=data["days"], now=now
        )
    shown = found[:QUOTES_SHOWN]
    addresses = [tickets.address_of_quote(each) for each in shown]
    quotes = list(zip(shown, offering.of_quotes(shown, now=now), addresses, strict=True))
    return page(request, "market/quote.html", {"form": form, "quotes": quotes}, fragment="quotes", form=form)


def orders(request: HttpRequest) -> HttpResponse:
    mine = traders(request)
    found = selectors.orders(actor=actor_of(request))
    if request.GET.get("all") != "1":
        found = found.filter(state__in=Order.LIVE)
    shown = paging.page_of(request, found, ORDERS_PAGE)
    context = {"orders": shown, "namespaces": mine, "only_live": request.GET.get("all") != "1"}
    return page(request, "market/orders.html", context, fragment="rows")


def order(request: HttpRequest, order_id: int) -> HttpResponse:
    """One order: how far it is, its trades, why the rest has not filled; amend and cancel."""
    traders(request)
    found = selectors.get_order(actor=actor_of(request), order_id=order_id)
    read_notices_of(actor=actor_of(request), address=f"/market/orders/{order_id}")
    initial = {
        "gpus": found.gpus,
        "price": amount_of(found.price_micros_per_gpu_hour),
        "version": found.version,
    }
    form = AmendForm(request.POST or None, initial=initial)
    amended = submit(request, form, lambda data: _amend(request, found, form, data))
    if amended is not None:
        messages.success(request, _("Change submitted. Matching…"))
        return HttpResponseRedirect(f"/market/orders/{order_id}")
    if form.errors:
        # The reader has seen the notice that the order has changed, and may send the order that is shown now.
        form.data = {**form.data.dict(), "version": str(found.version)}  # type: ignore[attr-defined]
    is_buy = found.side == Order.Side.BUY
    trades = list((found.trades_as_buy if is_buy else found.trades_as_sell).order_by("pk")[:TRADES_SHOWN])
    # Read after its trades: an order never says less than they do.
    found = selectors.as_it_is(found)
    context = {
        "order": found,
        "is_buy": is_buy,
        "form": form,
        "trades": trades,
        "reason": reasons.sentence(found.reason),
        "amendment": selectors.newest_amendment(found),
        "misses": [
            (miss, tickets.address_of_miss(found, miss)) for miss in explain.misses(found, now=database_now())
        ],
        "offerings": offering.of_order(found, now=database_now()),
    }
    response = page(request, "market/order.html", context, fragment="state", form=form)
    if request.GET.get("seen") == "live" and not found.is_live:
        # Its forms are of no use any more.
        response.headers["HX-Refresh"] = "true"
    return response


def _amend(request: HttpRequest, found: Order, form: AmendForm, data: dict[str, Any]) -> Order | None:
    """Ask for a change of an order; None if the form now shows all that is wrong with it."""
    price, gpus = data["price"], data["gpus"]
    add_problems(form, previews.problems_of_amendment(order=found, price_micros=price, gpus=gpus))
    if form.errors:
        return None
    return services.amend_order(
        actor=actor_of(request),
        order_id=found.pk,
        price_micros_per_gpu_hour=price,
        gpus=gpus,
        version=data["version"],
        now=database_now(),
    )


@require_POST
def cancel_order(request: HttpRequest, order_id: int) -> HttpResponse:
    services.cancel_order(actor=actor_of(request), order_id=order_id, now=database_now())
    messages.success(request, _("The rest of the order is being cancelled."))
    return HttpResponseRedirect(f"/market/orders/{order_id}")
