"""`/_mock/market/`: what a test says to its market. JSON in, JSON out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.http import HttpRequest

from bazaar_testing.mock.calls import call
from bazaar_testing.mock.market import filling
from bazaar_testing.mock.market.clock import clock
from bazaar_testing.mock.market.machines import Part, machines
from compute_market.leases import checks as leases
from compute_market.ledger import checks as ledger
from compute_market.matching.clearing import checks as matching
from compute_market.matching.intake import services as trading
from compute_market.offers.models import Node
from hub.interface import SYSTEM

CHECKS = (ledger.audit, leases.audit, matching.audit)


@call("GET", "POST")
def hands(request: HttpRequest, body: Any) -> Any:
    """GET: the market's time. POST sets it: `at`, `seconds`, or `speed` (0 stops it)."""
    if request.method == "POST":
        if "speed" in body:
            clock.run(float(body["speed"])) if body["speed"] else clock.stop()
        elif "at" in body:
            clock.stop()
            clock.set(_moment(body["at"]))
        else:
            clock.advance(timedelta(seconds=float(body["seconds"])))
    return {"now": clock.now().isoformat(), "is_running": clock.is_running}


@call("POST")
def settle(request: HttpRequest, body: Any) -> Any:
    """Do everything that is due now."""
    clock.strike()
    return {}


@call("POST")
def products(request: HttpRequest, body: Any) -> Any:
    product = filling.ensure_product(str(body["product"]), now=clock.now())
    return {"product": product.slug, "reference_price_micros": product.reference_price_micros}


@call("POST")
def deposits(request: HttpRequest, body: Any) -> Any:
    filling.deposit(account=str(body["account"]), amount_micros=int(body["amount_micros"]), now=clock.now())
    return {}


@call("POST")
def offers(request: HttpRequest, body: Any) -> Any:
    """Put a machine and its sell order on the book."""
    node, order = filling.offer(body, now=clock.now())
    return {
        "node": node.pk,
        "order": order.pk,
        "state": order.state,
        "provider": str(node.provider.namespace),
    }


@call("POST")
def bids(request: HttpRequest, body: Any) -> Any:
    """Put somebody's buy order on the book."""
    order = filling.bid(body, now=clock.now())
    return {"order": order.pk, "state": order.state}


@call("POST", "DELETE")
def node(request: HttpRequest, body: Any, node_id: int) -> Any:
    """POST makes a machine fail: `{"silent": true}` or `{"broken": "why"}`. DELETE makes it work again."""
    if request.method == "DELETE":
        machines.wake(node_id)
    elif "broken" in body:
        machines.break_down(node_id, str(body["broken"]))
    elif body.get("silent") is True:
        machines.silence(node_id)
    else:
        raise ValueError("A machine is silent or broken.")
    return {"state": Node.objects.get(pk=node_id).state}


@call("POST")
def commands(request: HttpRequest, body: Any) -> Any:
    machines.say(Part.parse(body))
    return {}


@call("POST", "DELETE")
def halt(request: HttpRequest, body: Any) -> Any:
    """Stop the trade in a product, or in all that are listed; DELETE: let it go on."""
    act = trading.resume if request.method == "DELETE" else trading.halt
    changed = act(actor=SYSTEM, product=body.get("product"), now=clock.now())
    return {"products": sorted(listing.product.slug for listing in changed)}


@call("GET")
def audit(request: HttpRequest, body: Any) -> Any:
    """Violated invariants of the market, one sentence each."""
    return {"findings": [finding for check in CHECKS for finding in check()]}


def _moment(text: object) -> datetime:
    moment = datetime.fromisoformat(str(text))
    if moment.tzinfo is None:
        raise ValueError("A time needs its offset, as 2026-07-01T12:00:00+00:00.")
    return moment.astimezone(UTC)
