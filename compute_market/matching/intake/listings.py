"""Products as the engine knows them: terms, price band and trading state, put into the command log."""

from __future__ import annotations

from datetime import datetime

from compute_market import quantities
from compute_market.matching import commandlog
from compute_market.matching.engine.commands import UNLOGGED, Configure, Trading
from compute_market.matching.intake.terms import PRICE_MAX_MICROS
from compute_market.matching.models import Listing, Trade
from compute_market.offers.models import Product
from foundation.held_rows import held_row

# The most that an index may move at once, and the least change that is sent to the engine.
STEP_BPS = 500
QUIET_BPS = 50
ABOUT_THE_COMMAND = frozenset({"sequence", "minute", "clock"})
"""Fields of `Configure` that say nothing of the product."""


def band(*, index_micros: int, band_bps: int, tick_micros: int) -> tuple[int, int]:
    """The lowest and the highest price a product takes, both on the tick; without a band, any price."""
    if not band_bps:
        return tick_micros, PRICE_MAX_MICROS // tick_micros * tick_micros
    whole = quantities.BASIS_POINTS
    # Of a negative amount, rounding down is away from zero: the lowest price is rounded up.
    least = -quantities.share_micros(amount_micros=-index_micros, bps=whole - min(band_bps, whole))
    most = quantities.share_micros(amount_micros=index_micros, bps=whole + band_bps)
    low, high = -(-least // tick_micros) * tick_micros, most // tick_micros * tick_micros
    low = max(low, tick_micros)
    return low, max(low, high)


def ensure(product: Product, *, now: datetime) -> Listing:
    """The listing of a product, put on the log if this is the first need of it."""
    listing = Listing.objects.select_related("product").filter(product=product).first()
    return listing or configure(product, now=now)


def configure(
    product: Product, *, now: datetime, is_stopped: bool | None = None, index_micros: int | None = None
) -> Listing:
    """Bring a listing in line with its product, with a halt or a new index, and tell the engine by the log.

    A new reference price of the product is the index from then on. Locks the listing; appends nothing if the
    engine has the same terms already.
    """
    Listing.objects.get_or_create(
        product=product,
        defaults={
            "trading": -1,
            "index_micros": product.reference_price_micros,
            "reference_micros": product.reference_price_micros,
            "lowest_micros": 1,
            "highest_micros": 1,
            "changed_at": now,
        },
    )
    listing = held_row(Listing.objects.select_for_update().filter(product=product))
    listing.product = product
    if is_stopped is not None:
        listing.is_stopped = is_stopped
    if index_micros is not None:
        listing.index_micros = index_micros
    if listing.reference_micros not in {None, product.reference_price_micros}:
        listing.index_micros = product.reference_price_micros
    listing.reference_micros = product.reference_price_micros
    command = _command(listing, now)
    if _terms(command) != listing.told:
        entry = commandlog.Entry(command=command)
        commandlog.append(shard=product.shard_id, entries=[entry], now=now)
    listing.told = _terms(command)
    listing.trading, listing.lowest_micros, listing.highest_micros = (
        command.trading,
        command.lowest,
        command.highest,
    )
    listing.changed_at = now
    listing.save()
    return listing


def is_in_line(listing: Listing, *, now: datetime) -> bool:
    """True if the engine has the terms that the product has now."""
    is_same_reference = listing.reference_micros in {None, listing.product.reference_price_micros}
    return is_same_reference and listing.told == _terms(_command(listing, now))


def _command(listing: Listing, now: datetime) -> Configure:
    """The terms of a product, as a command of the engine without its number."""
    product = listing.product
    lowest, highest = band(
        index_micros=listing.index_micros, band_bps=product.band_bps, tick_micros=product.tick_micros
    )
    return Configure(
        sequence=UNLOGGED,
        product=product.pk,
        lot=product.lot,
        tick=product.tick_micros,
        lowest=lowest,
        highest=highest,
        trading=_trading(product, listing),
        minute=quantities.to_minutes(now),
        clock=quantities.to_milliseconds(now),
    )


def _terms(command: Configure) -> dict[str, int]:
    """All that a command says but for its number and its time: what two of them differ in, if they do."""
    return {name: value for name, value in command._asdict().items() if name not in ABOUT_THE_COMMAND}


def index_micros(listing: Listing, *, since: datetime) -> int:
    """The average price of a GPU-hour since a moment, weighted by volume; the old index if nothing traded.

    It moves by at most `STEP_BPS` at a time, so that one unusual trade cannot move the price band far.
    """
    recent = Trade.objects.filter(product=listing.product_id, at__gte=since).order_by("-pk")
    paid = gpu_minutes = 0
    for gpus, start, end, notional in recent.values_list("gpus", "start", "end", "notional_micros")[:1000]:
        paid += notional
        gpu_minutes += gpus * (quantities.to_minutes(end) - quantities.to_minutes(start))
    if not gpu_minutes:
        return listing.index_micros
    step = quantities.share_micros(amount_micros=listing.index_micros, bps=STEP_BPS)
    average = quantities.average_price_micros(notional_micros=paid, gpu_minutes=gpu_minutes)
    return min(max(average, listing.index_micros - step), listing.index_micros + step)


def _trading(product: Product, listing: Listing) -> int:
    if product.state == Product.State.CLOSED:
        return int(Trading.CLOSED)
    if product.state == Product.State.HALTED or listing.is_stopped:
        return int(Trading.HALTED)
    return int(Trading.OPEN)
