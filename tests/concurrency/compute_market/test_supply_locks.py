"""Supply and leases under two hands at once, on PostgreSQL: each race without its lock, and with it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial
from threading import Barrier

import pytest
from django.db import transaction

from compute_market.leases import bindings, capacity, checks, jobs, services
from compute_market.leases.models import Binding, Lease, UsageSample
from compute_market.leases.states import State
from compute_market.ledger import checks as ledger_checks
from compute_market.ledger.models import Account, Transfer
from compute_market.offers import agents
from compute_market.offers import checks as supply_checks
from compute_market.offers import services as offers
from compute_market.offers.models import DeviceClaim, GpuHold, Node
from hub.interface import Principal
from tests.concurrency.races import kinds, race
from tests.factories import market
from tests.factories.market import NOON, namespace_of, trader

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]

LATER = NOON + timedelta(minutes=90)


def offer(node: Node, owner: Principal, cause: str, nodes: dict[int, capacity.LockedNode]) -> str:
    """Hold five of the node's eight GPUs."""
    supply = capacity.Supply(nodes=nodes.values(), now=NOON)
    supply.hold(
        account=Account.objects.get(namespace_id=namespace_of(owner), kind="main"),
        product_id=node.product_id,
        node_id=node.pk,
        gpus=5,
        start=NOON,
        end=LATER,
        cause=cause,
    )
    supply.write()
    return "held"


class TestHold:
    def test_without_the_nodes_lock_the_same_gpus_are_offered_twice(self) -> None:
        owner = trader(funds=1)
        node = market.node(owner, gpus=8)
        both_have_read = Barrier(2)

        def unlocked(cause: str) -> str:
            with transaction.atomic():
                GpuHold.objects.count()
                found = Node.objects.select_related("provider").get(pk=node.pk)
                supply = capacity.Supply(nodes=[capacity.LockedNode(found)], now=NOON)
                both_have_read.wait(timeout=10)
                supply.hold(
                    account=Account.objects.get(namespace_id=namespace_of(owner), kind="main"),
                    product_id=node.product_id,
                    node_id=node.pk,
                    gpus=5,
                    start=NOON,
                    end=LATER,
                    cause=cause,
                )
                supply.write()
            return "held"

        assert race(partial(unlocked, "a"), partial(unlocked, "b")) == ["held", "held"]
        assert any("are promised at one time" in finding for finding in checks.audit())

    def test_with_the_lock_the_second_is_refused(self) -> None:
        owner = trader(funds=1)
        node = market.node(owner, gpus=8)

        def locked(cause: str) -> str:
            with transaction.atomic():
                return offer(node, owner, cause, capacity.lock_nodes(ids=[node.pk]))

        assert kinds(race(*[partial(locked, cause) for cause in "abc"])) == [
            "CapacityTaken",
            "CapacityTaken",
            "str",
        ]
        assert checks.audit() == []


class TestBinding:
    def test_without_the_nodes_lock_the_table_has_to_stop_the_second(self) -> None:
        node = market.node(gpus=2)
        first, second = market.lease(node), market.lease(node)
        both_have_read = Barrier(2)

        def unlocked(lease: Lease) -> str:
            with transaction.atomic():
                free = {0, 1} - set(Binding.objects.values_list("gpu", flat=True))
                both_have_read.wait(timeout=10)
                Binding.objects.create(lease=lease, node=node, gpu=min(free), starts_at=NOON, ends_at=LATER)
            return "bound"

        outcomes = race(partial(unlocked, first), partial(unlocked, second))
        stopped, bound = kinds(outcomes)
        # Each may find the other's row first and wait for it: PostgreSQL then ends one as a deadlock.
        assert stopped in {"IntegrityError", "OperationalError"}
        assert bound == "str"
        assert Binding.objects.count() == 1

    def test_with_the_lock_two_starts_at_once_bind_each_gpu_once(self) -> None:
        node = market.node(gpus=2)
        for _ in range(2):
            market.lease(node)
        outcomes = race(*[partial(jobs.start_on_node, node_id=node.pk, now=NOON)] * 3)
        assert sorted(outcomes) == [0, 0, 2]  # type: ignore[type-var]
        assert sorted(Binding.objects.values_list("gpu", flat=True)) == [0, 1]
        assert bindings.gpus_of(Lease.objects.earliest("pk"), now=NOON) == [0]


class TestJobs:
    def test_run_by_four_workers_at_once_meter_pay_and_settle_once(self) -> None:
        node = market.node(gpus=8)
        for _ in range(6):
            market.lease(node, gpus=1)
        jobs.start_leases(now=NOON)
        for lease in Lease.objects.all():
            assert lease.token is not None
            services.take_up(node=node, lease_id=lease.pk, token=lease.token, now=NOON)
        for minute in range(60):
            now = NOON + timedelta(minutes=minute)
            offers.hear(node=node, runners=[], now=now)
        outcomes = race(*[partial(jobs.advance, now=LATER)] * 4)
        assert outcomes == [None] * 4
        jobs.advance(now=LATER)
        assert set(Lease.objects.values_list("state", "delivered_minutes")) == {(State.SETTLED, 60)}
        assert UsageSample.objects.count() == 360
        assert Transfer.objects.filter(kind=Transfer.Kind.USAGE).count() == 6
        assert checks.audit() + ledger_checks.audit() == []


class TestEnrolment:
    def test_of_one_key_on_two_machines_at_once_succeeds_on_one(self) -> None:
        owner = trader()
        provider = offers.register_provider(actor=owner, namespace_id=namespace_of(owner), now=NOON)
        key = offers.issue_enrolment_key(
            actor=owner, provider=provider, product=market.product(), name="rack", gpus=2, now=NOON
        )

        def enrol(instance: str) -> object:
            return offers.enrol(key=key, instance=instance, runners=[], now=NOON)

        outcomes = race(*[partial(enrol, f"machine-{number}") for number in range(3)])
        assert kinds(outcomes) == ["Enrolment", "EnrolmentRefused", "EnrolmentRefused"]
        assert Node.objects.count() == 1


class TestDevice:
    def test_reported_by_many_nodes_at_once_becomes_that_of_one(self) -> None:
        nodes = [market.node(gpus=4) for _ in range(4)]
        found = [
            {"index": index, "model": "NVIDIA H100 80GB HBM3", "memory_mb": 81559, "uuid": f"GPU-{index}"}
            for index in range(4)
        ]

        def report(node: Node, devices: list[dict[str, object]]) -> object:
            reported = offers.report_hardware(node=node, method="nvml", devices=devices, host={}, now=NOON)
            return reported.is_accepted

        # Each names the devices in another order.
        outcomes = race(*[partial(report, node, found[n:] + found[:n]) for n, node in enumerate(nodes)])
        assert sorted(outcomes) == [False, False, False, True]  # type: ignore[type-var]
        assert DeviceClaim.objects.values("node").distinct().count() == 1
        assert supply_checks.audit() == []


class TestNonce:
    def test_sent_many_times_at_once_is_taken_once(self) -> None:
        node = market.node()
        request = agents.SignedRequest(
            key_id=node.agent_key_id,
            timestamp=int(NOON.timestamp()),
            nonce=7,
            instance=node.instance,
            signature="",
            method="POST",
            path="/api/market/v1/agent/poll",
            body_digest="",
        )
        signed = replace(request, signature=agents.sign(request))
        outcomes = race(*[partial(offers.authenticate_agent, request=signed, now=NOON)] * 4)
        assert kinds(outcomes) == ["AgentReplayed", "AgentReplayed", "AgentReplayed", "Node"]
