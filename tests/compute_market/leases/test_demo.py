from __future__ import annotations

import pytest

from compute_market.leases import jobs, selectors, services
from compute_market.leases.demo import serve_demo_nodes
from compute_market.leases.models import Lease
from compute_market.offers.models import Node, Provider
from hub.interface import Principal
from tests.factories import market
from tests.factories.market import NOON, trader

pytestmark = pytest.mark.django_db


@pytest.fixture
def holder() -> Principal:
    return trader(funds=100)


@pytest.fixture
def lease(holder: Principal) -> Lease:
    node = market.node()
    Provider.objects.update(is_demo=True)
    lease = market.lease(node, holder=holder)
    jobs.start_leases(now=NOON)
    assert serve_demo_nodes(now=NOON) == 1
    lease.refresh_from_db()
    return lease


class TestServeDemoNodes:
    def test_takes_leases_up_and_behaves_as_if_it_ran_commands(self, lease: Lease, holder: Principal) -> None:
        assert lease.state == "active"
        market.run(lease, holder, "train", "--epochs", "3")
        serve_demo_nodes(now=NOON)
        work = selectors.newest_work(lease)
        assert (work.state, work.exit_code) == ("exited", 0)
        assert selectors.read_log(work)[0] == "GPUs 0: train --epochs 3\n"

    def test_stops_what_its_holder_stops(self, lease: Lease, holder: Principal) -> None:
        market.run(lease, holder, "wait")
        serve_demo_nodes(now=NOON)
        assert selectors.newest_work(lease).state == "running"
        services.stop_work(actor=holder, lease_id=lease.pk, now=NOON)
        serve_demo_nodes(now=NOON)
        assert selectors.newest_work(lease).state == "stopped"

    def test_leaves_real_nodes_alone(self) -> None:
        market.node()
        assert serve_demo_nodes(now=NOON) == 0
        assert Node.objects.get().heartbeats.count() == 0
