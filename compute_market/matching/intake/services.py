"""Use cases of traders and operators. Each is accepted here, and decided by the worker that
drains the shard.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import transaction

from compute_market.ledger import budgets, policies
from compute_market.ledger import postings as ledger
from compute_market.matching import commandlog, limits
from compute_market.matching.clearing import tasks
from compute_market.matching.engine.commands import UNLOGGED, Cancel
from compute_market.matching.errors import BulkTooLarge, ClientOrderIdReused, OrderNotOpen
from compute_market.matching.intake import acceptance, amendments, cancelling, listings, refusals, spending
from compute_market.matching.intake.group_commit import GroupCommit
from compute_market.matching.intake.terms import OrderRequest
from compute_market.matching.models import CancelAfter, Listing, Order
from compute_market.matching.views import selectors
from compute_market.offers.errors import ProductNotFound
from compute_market.offers.models import Product
from foundation.errors import Refusal
from foundation.garbage_collection import collector_paused
from hub.interface import Principal, record_audit

__all__ = [
    "OrderRequest",
    "Placing",
    "amend_order",
    "cancel_after",
    "cancel_all",
    "cancel_order",
    "halt",
    "place_order",
    "place_orders",
    "resume",
]


def place_order(*, actor: Principal, namespace_id: int, request: OrderRequest, now: datetime) -> Order:
    """Accept an order of a namespace: hold what it may cost, and put it on the log. It is pending then.

    The same request under the same client order id gives the order it gave the first time (rule M6).

    Raises: NotAMember, TradeScopeMissing, CapReached, and what `acceptance.Acceptance.take` raises.
    """
    _require_may_place(actor, namespace_id, request)
    wanted = _Wanted(namespace_id, request, now)
    if policies.is_capped(actor):
        bought = _accept([wanted], buyer=actor)[0]
        if isinstance(bought, Refusal):
            raise bought
        return bought
    # A sell locks nodes, which would break the order of locks in a group; and requests inside a transaction
    # that has begun cannot be committed by another thread.
    is_alone = request.side == Order.Side.SELL or transaction.get_connection().in_atomic_block
    answer = _accept([wanted])[0] if is_alone else _together.do(wanted)
    if isinstance(answer, Refusal):
        raise answer
    return answer


class Placing(NamedTuple):
    """One order of a bulk, and the namespace that it is placed for."""

    namespace_id: int
    request: OrderRequest


def place_orders(*, actor: Principal, orders: Sequence[Placing], now: datetime) -> list[Order | Refusal]:
    """Accept up to a thousand orders in one commit; each has its own answer, in the order given.

    An order for a namespace that the actor may not trade for is refused alone. Raises: BulkTooLarge.
    """
    if not 0 < len(orders) <= limits.bulk_max():
        raise BulkTooLarge(limit=limits.bulk_max())
    if policies.is_capped(actor):
        return [_placed_or_refused(actor, each, now) for each in orders]
    denied: dict[int, Refusal] = {}
    for namespace_id in {each.namespace_id for each in orders}:
        try:
            policies.require_spend(actor, namespace_id)
        except Refusal as refusal:
            denied[namespace_id] = refusal
    allowed = [_Wanted(*each, now) for each in orders if each.namespace_id not in denied]
    with collector_paused():
        answers = iter(_accept(allowed) if allowed else ())
    return [denied.get(each.namespace_id) or next(answers) for each in orders]


def _placed_or_refused(actor: Principal, order: Placing, now: datetime) -> Order | Refusal:
    """One order of a capped token's bulk: each is compared with the cap by itself."""
    try:
        return place_order(actor=actor, namespace_id=order.namespace_id, request=order.request, now=now)
    except Refusal as refusal:
        return refusal


def _require_may_place(actor: Principal, namespace_id: int, request: OrderRequest) -> None:
    """Raises: Unauthenticated, NotAMember, TradeScopeMissing."""
    if request.side == Order.Side.BUY:
        policies.require_buy(actor, namespace_id)
    else:
        policies.require_spend(actor, namespace_id)


class Malformed(NamedTuple):
    """A body that is no order, by the id it names; `said` is a digest of all of it."""

    namespace_id: int
    client_order_id: str
    said: str


def use_up_ids(*, actor: Principal, bodies: Sequence[Malformed], now: datetime) -> list[Refusal | None]:
    """Remember the ids of bodies that are no orders (rule M6); for each, why its id was not free, or None.

    The same body again is no reuse of its id; another body, or an order, is. Bodies of namespaces that the
    actor may not trade for use nothing up.
    """
    spendable = {pk for pk in {body.namespace_id for body in bodies} if policies.may_spend(actor, pk)}
    if not spendable:
        return [None] * len(bodies)
    answers: list[Refusal | None] = []
    fresh: dict[tuple[int, str], refusals.Refused] = {}
    with transaction.atomic(durable=True):
        accounts = ledger.lock_main_accounts(namespace_ids=spendable, now=now)
        for body in bodies:
            if body.namespace_id not in spendable:
                answers.append(None)
                continue
            account_id, name = accounts[body.namespace_id].pk, body.client_order_id
            known = fresh.get((account_id, name)) or refusals.find(account_id=account_id, names=[name]).get(
                name
            )
            if (known and known.fingerprint != body.said) or selectors.is_placed(account_id, name):
                answers.append(ClientOrderIdReused(client_order_id=name))
                continue
            answers.append(None)
            if known is None:
                fresh[account_id, name] = refusals.Refused(
                    account_id, name, body.said, refusals.OrderMalformed()
                )
        refusals.write(list(fresh.values()), now=now)
    return answers


class _Wanted(NamedTuple):
    """An order that somebody may place for a namespace."""

    namespace_id: int
    request: OrderRequest
    now: datetime


def _accept(wanted: Sequence[_Wanted], buyer: Principal | None = None) -> list[Order | Refusal]:
    """Accept orders of any namespaces in one commit, at the latest of their times; one answer for each.

    `buyer`: who buys under a cap. Raises: CapReached.
    """
    now = max(each.now for each in wanted)
    of: dict[int, list[OrderRequest]] = defaultdict(list)
    for each in wanted:
        of[each.namespace_id].append(each.request)
    with transaction.atomic(durable=True):
        budget = budgets.lock_budget(buyer) if buyer is not None else None
        accounts = ledger.lock_main_accounts(namespace_ids=of, now=now)
        batch = acceptance.Batch(accounts=accounts.values(), now=now)
        taking = {
            pk: acceptance.Acceptance(account=accounts[pk], requests=requests, batch=batch)
            for pk, requests in of.items()
        }
        answers = [taking[each.namespace_id].answer(each.request) for each in wanted]
        shards = batch.write()
        if budget is not None and buyer is not None:
            spending.charge(budget, cap_micros=buyer.spend_cap_micros or 0, order_ids=batch.order_ids)
        for shard in shards:
            tasks.enqueue_drain(shard)
        if batch.is_empty:  # what is refused changes nothing, not even by the way
            transaction.set_rollback(True)
    return answers


_together = GroupCommit(_accept)
"""Orders that requests of this process bring one by one: those that come at the same time share a commit."""


def amend_order(
    *,
    actor: Principal,
    order_id: int,
    price_micros_per_gpu_hour: int | None = None,
    gpus: int | None = None,
    version: int | None = None,
    now: datetime,
) -> Order:
    """Ask for a new price or a new total of GPUs (rule M8); gives the order as it is until that is decided.

    Raises: OrderNotFound, OrderNotOpen, VersionChanged, AmendmentPending, OrderInvalid, ProductHalted,
    ProductClosed, InsufficientFunds, CapacityTaken, CapReached.
    """
    namespace_id, shard = _owner(actor, order_id)
    with transaction.atomic(durable=True):
        budget = budgets.lock_budget(actor)
        account = ledger.lock_account(namespace_id=namespace_id, now=now)
        order = Order.objects.select_related("product").get(pk=order_id)
        entry = amendments.draw_up(
            order=order,
            account=account,
            price=order.price_micros_per_gpu_hour
            if price_micros_per_gpu_hour is None
            else price_micros_per_gpu_hour,
            gpus=order.gpus if gpus is None else gpus,
            version=version,
            now=now,
        )
        commandlog.append(shard=shard, entries=[entry], now=now)
        if budget is not None:
            spending.charge(budget, cap_micros=actor.spend_cap_micros or 0)
        tasks.enqueue_drain(shard)
    return order


def cancel_order(*, actor: Principal, order_id: int, now: datetime) -> Order:
    """Ask for the end of what is left of an order; gives the order as it is until that is decided.

    Raises: OrderNotFound, OrderNotOpen.
    """
    namespace_id, shard = _owner(actor, order_id)
    with transaction.atomic(durable=True):
        account = ledger.lock_account(namespace_id=namespace_id, now=now)
        order = Order.objects.select_related("product").get(pk=order_id)
        if not order.is_live:
            raise OrderNotOpen(state=order.state)
        entry = commandlog.Entry(command=Cancel(UNLOGGED, order_id), account_id=account.pk, order_id=order_id)
        commandlog.append(shard=shard, entries=[entry], now=now)
        tasks.enqueue_drain(shard)
    return order


def cancel_all(*, actor: Principal, namespace_id: int, product: str | None = None, now: datetime) -> int:
    """Ask for the end of all live orders of a namespace, or of those on one product; gives how many.

    Raises: NotAMember, TradeScopeMissing, ProductNotFound.
    """
    policies.require_spend(actor, namespace_id)
    with transaction.atomic(durable=True):
        account = ledger.lock_account(namespace_id=namespace_id, now=now)
        product_id = _product(product).pk if product is not None else cancelling.ALL_PRODUCTS
        shards, count = cancelling.append_cancel_all(account, product_id=product_id, now=now)
        for shard in sorted(shards):
            tasks.enqueue_drain(shard)
    return count


def cancel_after(*, actor: Principal, namespace_id: int, seconds: int, now: datetime) -> datetime | None:
    """End all live orders of a namespace in so many seconds, unless this is called again before; 0: never.

    For programs that quote prices: if one stops, its orders are cancelled. Returns the time. Raises:
    NotAMember, TradeScopeMissing.
    """
    policies.require_spend(actor, namespace_id)
    with transaction.atomic(durable=True):
        account = ledger.lock_account(namespace_id=namespace_id, now=now)
        if seconds == 0:
            CancelAfter.objects.filter(account=account.pk).delete()
            return None
        at = now + timedelta(seconds=seconds)
        CancelAfter.objects.update_or_create(account_id=account.pk, defaults={"at": at})
    return at


def halt(*, actor: Principal, product: str | None = None, now: datetime) -> list[Listing]:
    """Stop trading in a product, or in all of them: the kill switch. Orders rest, and can be cancelled.

    Raises: OperatorOnly, ProductNotFound.
    """
    return _set_stopped(actor=actor, product=product, is_stopped=True, now=now)


def resume(*, actor: Principal, product: str | None = None, now: datetime) -> list[Listing]:
    """Let trading go on after a halt.

    Raises: OperatorOnly, ProductNotFound.
    """
    return _set_stopped(actor=actor, product=product, is_stopped=False, now=now)


def _set_stopped(*, actor: Principal, product: str | None, is_stopped: bool, now: datetime) -> list[Listing]:
    policies.require_operator(actor)
    products = [_product(product)] if product is not None else list(Product.objects.order_by("pk"))
    with transaction.atomic(durable=True):
        changed = [listings.configure(each, now=now, is_stopped=is_stopped) for each in products]
        for shard in {each.shard_id for each in products}:
            tasks.enqueue_drain(shard)
        action = "market_halted" if is_stopped else "market_resumed"
        record_audit(actor=actor, action=action, subject=f"product {product}" if product else "market")
    return changed


def _owner(actor: Principal, order_id: int) -> tuple[int, int]:
    """Namespace and shard of an order that the actor may trade. Raises: OrderNotFound."""
    order = selectors.get_order(actor=actor, order_id=order_id)
    namespace_id = order.account.namespace_id
    if namespace_id is None:
        raise RuntimeError(f"The account of {order} belongs to no namespace.")
    return namespace_id, order.product.shard_id


def _product(slug: str) -> Product:
    product = Product.objects.filter(slug=slug).first()
    if product is None:
        raise ProductNotFound(product=slug)
    return product
