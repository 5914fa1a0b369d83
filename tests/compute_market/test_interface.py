"""A house above the market gets from an order to a work's output by the interface alone."""

from __future__ import annotations

from typing import Any

import pytest

from compute_market import interface
from compute_market.leases import jobs, services
from hub.interface import Principal
from tests.factories import exchange
from tests.factories.market import NOON, namespace_of

pytestmark = pytest.mark.django_db


def test_offers_what_it_lists() -> None:
    assert [name for name in interface.__all__ if not hasattr(interface, name)] == []
    assert list(interface.__all__) == sorted(interface.__all__, key=lambda name: (name.islower(), name))


def test_from_an_order_to_output() -> None:
    seller, house = exchange.rich(), exchange.rich()
    product = exchange.product()
    node = exchange.node(seller, product)
    node.runners = ["fake"]
    node.save(update_fields=["runners"])
    exchange.sell(seller, node, 8, 12, start=NOON)
    exchange.drain()
    heard: list[tuple[int, str]] = []

    def hear(work_id: int, state: str, **_: Any) -> None:
        heard.append((work_id, state))

    interface.work_moved.connect(hear)
    try:
        [quote, *_] = interface.quotes([product], gpus=2, hours=12, within_days=1, now=NOON)
        wanted = interface.OrderRequest(
            client_order_id="replica-1",
            product=quote.product.slug,
            side=interface.Order.Side.BUY.value,
            gpus=2,
            start=NOON,
            end=quote.end,
            price_micros_per_gpu_hour=quote.limit_micros,
        )
        order = interface.place_order(actor=house, namespace_id=namespace_of(house), request=wanted, now=NOON)
        exchange.drain()
        assert interface.get_order(actor=house, order_id=order.pk).state == interface.Order.State.FILLED
        [lease] = interface.leases_of_order(actor=house, order_id=order.pk)
        work = _run(house, lease)
        services.report_work(node=node, token=work.token, state="running", now=NOON)
        services.append_log(node=node, token=work.token, offset=0, text="ready", now=NOON)
        assert interface.read_log(interface.newest_work(lease))[0] == "ready"
        interface.stop_work(actor=house, lease_id=lease.pk, now=NOON)
        assert heard == [(work.pk, state) for state in ("queued", "running", "stopping")]
        assert interface.end_early(actor=house, lease_id=lease.pk, now=NOON).ends_at <= lease.ends_at
    finally:
        interface.work_moved.disconnect(hear)


def _run(house: Principal, lease: interface.Lease) -> interface.Work:
    jobs.advance(now=NOON)
    lease.refresh_from_db()
    assert lease.token is not None
    services.take_up(node=lease.node, lease_id=lease.pk, token=lease.token, now=NOON)
    return interface.run_work(actor=house, lease_id=lease.pk, command=["serve"], now=NOON)
