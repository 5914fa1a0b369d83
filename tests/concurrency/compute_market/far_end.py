"""Functions that the test of live workers calls in the live bazaar's own Python (`LiveBazaar.remote`)."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

from compute_market.ledger import checks as ledger_checks
from compute_market.matching.clearing import checks, replay
from compute_market.matching.intake import services
from compute_market.matching.models import Order, Trade
from compute_market.matching.views import selectors
from compute_market.offers.models import Product
from foundation.clock import database_now
from hub.accounts.models import Namespace, User
from hub.accounts.principals import Principal
from tests.factories import exchange, market
from tests.factories.exchange import BUY, SELL
from tests.factories.market import namespace_of

SHARD = 1


def set_up() -> dict[str, Any]:
    """A product with one provider and one buyer."""
    now = database_now()
    product = exchange.product(shard=SHARD)
    provider, buyer = exchange.rich(), exchange.rich(100_000_000)
    machine = exchange.node(provider, product, gpus=250, now=now)
    return {
        "product": product.pk,
        "node": machine.pk,
        "provider": provider.user_id,
        "buyer": buyer.user_id,
    }


def place(floor: dict[str, Any], seed: int, count: int) -> None:
    """Orders of both sides, one by one as clients send them."""
    now = database_now()
    chance = random.Random(seed)
    product = Product.objects.get(pk=floor["product"])
    midnight = (now + timedelta(days=2)).replace(hour=0, minute=0, second=0, microsecond=0)
    for number in range(count):
        side = chance.choice((BUY, SELL))
        who = Principal(user=User.objects.get(pk=floor["buyer" if side == BUY else "provider"]))
        wanted = exchange.request(
            product,
            side,
            1,
            9 + 3 * chance.randrange(3),
            client_order_id=f"{seed}-{number}",
            start=midnight,
            end=midnight + timedelta(hours=chance.choice((1, 24))),
            node_id=floor["node"] if side == SELL else None,
        )
        services.place_order(actor=who, namespace_id=namespace_of(who), request=wanted, now=now)


def waiting() -> int:
    """Commands that no worker has drained yet."""
    return selectors.backlog().get(SHARD, 0)


def verdict() -> dict[str, Any]:
    """Every broken rule, and how many trades there are."""
    findings = [*checks.audit(), *ledger_checks.audit(), *replay.replay(shard=SHARD, batch=7).findings]
    return {"findings": findings, "trades": Trade.objects.filter(shard=SHARD).count()}


def fund(name: str) -> None:
    """Give a user of the live bazaar money to trade with."""
    namespace = Namespace.objects.get(name=name)
    market.fund(namespace.pk, 10_000_000, now=database_now())


def offer_all(floor: dict[str, Any]) -> str:
    """Offer every hour of eight big nodes for the next days at one price. Gives the product's name."""
    now = database_now()
    product = Product.objects.get(pk=floor["product"])
    who = Principal(user=User.objects.get(pk=floor["provider"]))
    start = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    for _ in range(8):
        machine = exchange.node(who, product, gpus=250, now=now)
        wanted = exchange.request(
            product, SELL, 250, 9, start=start, end=start + timedelta(days=4), node_id=machine.pk
        )
        services.place_order(actor=who, namespace_id=namespace_of(who), request=wanted, now=now)
    return product.slug


def fill_book(floor: dict[str, Any], count: int) -> None:
    """Let so many bids come to rest, at many prices far from the offers, over the hours of two days."""
    now = database_now()
    product = Product.objects.get(pk=floor["product"])
    who = Principal(user=User.objects.get(pk=floor["buyer"]))
    first = (now + timedelta(days=2)).replace(minute=0, second=0, microsecond=0)
    for begin in range(0, count, 1000):
        wanted = [
            exchange.request(
                product,
                BUY,
                1,
                (1 + number // 48 % 140) * 0.06,
                start=first + timedelta(hours=number % 48),
                end=first + timedelta(hours=number % 48 + 1),
            )
            for number in range(begin, min(count, begin + 1000))
        ]
        services.place_orders(actor=who, orders=exchange.for_account(who, wanted), now=now)


def open_orders() -> int:
    """Orders that rest."""
    return Order.objects.filter(state="open").count()
