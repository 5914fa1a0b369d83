"""Amendments: what they may change, and the additional hold until the engine has decided (M8, M10)."""

from __future__ import annotations

from datetime import datetime

from compute_market import quantities
from compute_market.ledger import postings as ledger
from compute_market.matching import commandlog
from compute_market.matching.engine.commands import UNLOGGED, Amend
from compute_market.matching.errors import AmendmentPending, OrderNotOpen, VersionChanged
from compute_market.matching.intake import listings, sell_holds, terms
from compute_market.matching.models import Command, Cursor, Order

# Fees are rounded down order by order; the two roundings of an old and a new hold differ by less than this.
ROUNDING_MICROS = 2


def draw_up(
    *,
    order: Order,
    account: ledger.LockedAccount,
    price: int,
    gpus: int,
    version: int | None,
    now: datetime,
) -> commandlog.Entry:
    """The command for an amendment, with its extra hold taken. The account's lock keeps the order still.

    Raises: OrderNotOpen, VersionChanged, AmendmentPending, OrderInvalid, ProductHalted, ProductClosed,
    InsufficientFunds, CapacityTaken.
    """
    if not order.is_live:
        raise OrderNotOpen(state=order.state)
    if version is not None and version != order.version:
        raise VersionChanged(version=order.version)
    if _is_pending(order):
        raise AmendmentPending
    listing = listings.ensure(order.product, now=now)
    terms.check_gpus(gpus, listing)
    if price != order.price_micros_per_gpu_hour or gpus > order.gpus:
        terms.check_trading(listing)
        terms.check_price(price, listing)
    extra = None
    if order.side == Order.Side.BUY:
        extra = _extra_hold(order, account, price, gpus, now)
    else:
        sell_holds.enlarge(order=order, gpus=gpus, now=now)
    return commandlog.Entry(
        command=Amend(
            UNLOGGED,
            order=order.pk,
            price=price,
            gpus=gpus,
            version=version or 0,
            minute=quantities.to_minutes(now),
            clock=quantities.to_milliseconds(now),
        ),
        account_id=account.pk,
        order_id=order.pk,
        reservation_id=extra,
    )


def _is_pending(order: Order) -> bool:
    """Two amendments that know nothing of each other could together need more than either holds."""
    shard = order.product.shard_id
    done = Cursor.objects.filter(shard=shard).values_list("sequence", flat=True).first() or 0
    asked = Command.objects.filter(kind=Command.Kind.AMEND, order=order.pk)
    return asked.filter(shard=shard, sequence__gt=done).exists()


def _extra_hold(
    order: Order, account: ledger.LockedAccount, price: int, gpus: int, now: datetime
) -> int | None:
    """Hold what the new terms may cost beyond the old ones, however much is filled until they count.

    With f filled of g at p, (g'-f)p' is needed and (g-f)p is held; the difference is linear in f, so its
    highest value lies at f = 0 or at f = g.
    """
    bps = max(order.maker_fee_bps, order.taker_fee_bps)

    def cost(count: int, at: int) -> int:
        return quantities.hold_micros(
            gpu_minutes=count * order.minutes, price_micros_per_gpu_hour=at, fee_bps=bps
        )

    if price <= order.price_micros_per_gpu_hour and gpus <= order.gpus:
        return None
    before = cost(order.gpus, order.price_micros_per_gpu_hour)
    extra = max(0, cost(gpus, price) - before, cost(max(0, gpus - order.gpus), price))
    reservation = ledger.reserve(
        account=account,
        amount_micros=extra + ROUNDING_MICROS,
        cause=f"amend/{order.pk}/{order.version}/{now.timestamp():.6f}",
        now=now,
    )
    return reservation.pk
