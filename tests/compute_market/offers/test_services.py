from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, transaction
from django.dispatch import Signal

from compute_market.offers import agents, checks, jobs, services
from compute_market.offers.errors import (
    AgentElsewhere,
    AgentRefused,
    AgentReplayed,
    EnrolmentRefused,
    NodeFieldInvalid,
    NodeNameTaken,
    NodeNotFound,
    NodeRetired,
    ReportInvalid,
)
from compute_market.offers.models import DeviceClaim, Heartbeat, Node, Product
from compute_market.offers.signals import node_arrived, node_returned, node_suspended, node_went_stale
from hub.interface import Principal
from tests.factories import market
from tests.factories.market import NOON, namespace_of, trader

pytestmark = pytest.mark.django_db

H100 = {"model": "NVIDIA H100 80GB HBM3", "memory_mb": 81559, "driver": "550.54"}


# NUL, line ends, an escape, a right-to-left override, a control character of Latin-1.
UNPRINTABLE = ["\x00", "\n", "\r", "\x1b", "\u202e", "\x9b"]


@pytest.fixture
def owner() -> Principal:
    return trader()


def enrolment_key(owner: Principal, *, gpus: int = 2, name: str = "rack-1") -> str:
    provider = services.register_provider(actor=owner, namespace_id=namespace_of(owner), now=NOON)
    return services.issue_enrolment_key(
        actor=owner, provider=provider, product=market.product(), name=name, gpus=gpus, now=NOON
    )


def enrolled(owner: Principal) -> services.Enrolment:
    return services.enrol(
        key=enrolment_key(owner), instance="machine-a", runners=["process", "evil"], now=NOON
    )


def devices(count: int = 2, **changes: Any) -> list[dict[str, Any]]:
    return [H100 | {"index": index, "uuid": f"GPU-{index}"} | changes for index in range(count)]


def signed(
    enrolment: services.Enrolment, *, nonce: int = 1, now: datetime = NOON, **changes: Any
) -> agents.SignedRequest:
    request = agents.SignedRequest(
        key_id=enrolment.key_id,
        timestamp=int(now.timestamp()),
        nonce=nonce,
        instance="machine-a",
        signature="",
        method="POST",
        path="/api/market/v1/agent/poll",
        body_digest=hashlib.sha256(b"{}").hexdigest(),
    )
    return replace(replace(request, signature=agents.sign(request)), **changes)


@pytest.fixture
def heard() -> Iterator[list[str]]:
    """The facts announced, by name."""
    facts: list[str] = []
    signals: dict[str, Signal] = {
        "stale": node_went_stale,
        "arrived": node_arrived,
        "returned": node_returned,
        "suspended": node_suspended,
    }
    receivers = []
    for name, signal in signals.items():

        def receiver(name: str = name, **_: object) -> None:
            facts.append(name)

        receivers.append((signal, receiver))
        signal.connect(receiver)
    yield facts
    for signal, receiver in receivers:
        signal.disconnect(receiver)


class TestEnrolment:
    def test_turns_a_key_into_a_node_that_is_not_tradable_yet(self, owner: Principal) -> None:
        enrolment = enrolled(owner)
        assert (enrolment.node.state, enrolment.node.gpus) == ("enrolled", 2)
        assert enrolment.node.runners == ["process"]
        assert not enrolment.node.is_tradable(NOON)

    def test_takes_a_key_once(self, owner: Principal) -> None:
        key = enrolment_key(owner)
        services.enrol(key=key, instance="a", runners=[], now=NOON)
        with pytest.raises(EnrolmentRefused):
            services.enrol(key=key, instance="b", runners=[], now=NOON)

    def test_takes_no_unknown_or_late_key(self, owner: Principal) -> None:
        key = enrolment_key(owner)
        with pytest.raises(EnrolmentRefused):
            services.enrol(key="mbe_guess", instance="a", runners=[], now=NOON)
        with pytest.raises(EnrolmentRefused):
            services.enrol(key=key, instance="a", runners=[], now=NOON + services.ENROLMENT_LIFETIME)

    def test_refuses_a_name_that_is_taken_and_a_number_off_the_lot(self, owner: Principal) -> None:
        enrolled(owner)
        with pytest.raises(NodeNameTaken):
            enrolment_key(owner)
        with pytest.raises(NodeFieldInvalid, match="gpus"):
            enrolment_key(owner, gpus=0, name="rack-2")

    @pytest.mark.parametrize("character", UNPRINTABLE)
    def test_refuses_a_name_that_a_terminal_would_obey(self, owner: Principal, character: str) -> None:
        with pytest.raises(NodeFieldInvalid, match="name"):
            enrolment_key(owner, name=f"rack{character}2")

    def test_two_nodes_never_share_an_agent_key(self, owner: Principal) -> None:
        node = market.node(owner)
        with pytest.raises(IntegrityError, match="agent_key_id"), transaction.atomic():
            Node.objects.filter(pk=market.node(owner).pk).update(agent_key_id=node.agent_key_id)


class TestAgentRequest:
    def test_is_known_by_its_signature(self, owner: Principal) -> None:
        enrolment = enrolled(owner)
        assert services.authenticate_agent(request=signed(enrolment), now=NOON) == enrolment.node

    def test_is_refused_when_it_comes_again(self, owner: Principal) -> None:
        enrolment = enrolled(owner)
        for nonce in (5, 4):
            services.authenticate_agent(request=signed(enrolment, nonce=nonce), now=NOON)
        for nonce in (5, 4, 0):
            with pytest.raises(AgentReplayed):
                services.authenticate_agent(request=signed(enrolment, nonce=nonce), now=NOON)

    @pytest.mark.parametrize(
        "change",
        [
            {"body_digest": "0" * 64},
            {"path": "/api/market/v1/agent/logs"},
            {"timestamp": int(NOON.timestamp()) + 1},
            {"signature": "0" * 64},
            {"key_id": "mbk_other"},
        ],
    )
    def test_is_refused_when_a_byte_of_it_was_changed(self, owner: Principal, change: dict[str, Any]) -> None:
        enrolment = enrolled(owner)
        with pytest.raises(AgentRefused):
            services.authenticate_agent(request=signed(enrolment, **change), now=NOON)

    def test_is_refused_when_it_was_kept_for_later(self, owner: Principal) -> None:
        enrolment = enrolled(owner)
        with pytest.raises(AgentRefused, match="clock"):
            services.authenticate_agent(request=signed(enrolment), now=NOON + timedelta(minutes=6))

    def test_from_another_machine_with_the_same_key_is_denied(self, owner: Principal) -> None:
        enrolment = enrolled(owner)
        stolen = replace(signed(enrolment), instance="machine-b")
        stolen = replace(stolen, signature=agents.sign(stolen))
        with pytest.raises(AgentElsewhere):
            services.authenticate_agent(request=stolen, now=NOON)

    def test_of_a_retired_node_is_refused(self, owner: Principal) -> None:
        enrolment = enrolled(owner)
        services.retire_node(actor=owner, node_id=enrolment.node.pk, now=NOON)
        with pytest.raises(AgentRefused, match="retired"):
            services.authenticate_agent(request=signed(enrolment), now=NOON)


class TestHardwareReport:
    def report(self, node: Node, devices: object, method: str = "nvml") -> Node:
        services.report_hardware(node=node, method=method, devices=devices, host={"cpus": 64}, now=NOON)
        return Node.objects.get(pk=node.pk)

    def test_as_enrolled_makes_the_node_ready(self, owner: Principal) -> None:
        assert self.report(enrolled(owner).node, devices()).state == "ready"

    @pytest.mark.parametrize("character", UNPRINTABLE)
    def test_has_no_characters_that_a_terminal_would_obey(self, owner: Principal, character: str) -> None:
        node = enrolled(owner).node
        for field in ("model", "driver", "uuid"):
            with pytest.raises(ReportInvalid, match=field):
                self.report(node, devices(**{field: f"NVIDIA H100{character}"}))
        report = services.report_hardware(
            node=node, method="nvml", devices=devices(), host={f"a{character}": f"b{character}"}, now=NOON
        )
        assert report.host == {"a\N{REPLACEMENT CHARACTER}": "b\N{REPLACEMENT CHARACTER}"}

    def test_of_a_node_that_was_retired_meanwhile_changes_nothing(self, owner: Principal) -> None:
        node = enrolled(owner).node
        services.retire_node(actor=owner, node_id=node.pk, now=NOON)
        for found in (devices(), devices(1)):
            with pytest.raises(NodeRetired):
                self.report(node, found)
        assert Node.objects.get(pk=node.pk).state == "retired"
        assert not DeviceClaim.objects.exists()

    @pytest.mark.parametrize(
        ("found", "reason"),
        [
            (devices(1), "reports 1"),
            (devices(model="NVIDIA A100-SXM4-80GB"), "is a NVIDIA A100"),
            (devices(memory_mb=40960), "has 40 GB"),
            (devices(uuid="GPU-same"), "same identity"),
            ([], "reports 0"),
        ],
    )
    def test_of_other_hardware_suspends_the_node_and_says_why(
        self, owner: Principal, heard: list[str], found: list[dict[str, Any]], reason: str
    ) -> None:
        node = self.report(enrolled(owner).node, found)
        assert node.state == "suspended"
        assert reason in node.state_reason
        assert heard == ["suspended"]
        assert self.report(node, devices()).state == "ready"

    def test_may_be_declared_where_nothing_can_be_measured(self, owner: Principal) -> None:
        node = enrolled(owner).node
        assert self.report(node, devices(model="h100-sxm-80g"), "declared").state == "ready"
        assert self.report(node, devices(model="h200-sxm-141g"), "declared").state == "suspended"

    @pytest.mark.parametrize(
        "found",
        ["x", [1], [H100], devices(index=0), devices(memory_mb=1.5), devices(model="x" * 200), devices(300)],
    )
    def test_that_is_malformed_is_refused_and_changes_nothing(self, owner: Principal, found: object) -> None:
        node = enrolled(owner).node
        with pytest.raises(ReportInvalid):
            self.report(node, found)
        assert Node.objects.get().state == "enrolled"


class TestDevice:
    """Rule M18: a physical device belongs to one node that is not retired."""

    def node(self, owner: Principal, name: str, *, instance: str = "machine-a") -> Node:
        key = enrolment_key(owner, name=name)
        return services.enrol(key=key, instance=instance, runners=[], now=NOON).node

    def report(self, node: Node, found: object, method: str = "nvml") -> Node:
        services.report_hardware(node=node, method=method, devices=found, host={}, now=NOON)
        return Node.objects.get(pk=node.pk)

    def test_is_refused_to_a_second_node_with_the_name_of_the_first(self, owner: Principal) -> None:
        first = self.report(self.node(owner, "one"), devices())
        # Of another provider, on what says it is another machine, beside a device of its own, in capitals.
        found = [devices()[0] | {"uuid": "GPU-9"}, devices()[1] | {"uuid": "gpu-1"}]
        second = self.report(self.node(trader(), "two", instance="machine-b"), found)
        assert (first.state, second.state) == ("ready", "suspended")
        name = first.provider.namespace.name
        assert second.state_reason == f"Device 1 belongs to node {first.pk} of {name}, which is not retired."
        assert not second.device_claims.exists()
        # The device beside it was not taken by the refused report.
        assert self.report(self.node(owner, "three"), devices(uuid="GPU-9")[:1]).state == "suspended"
        assert checks.audit() == []

    def test_without_an_identity_is_known_by_its_machine_and_index(self, owner: Principal) -> None:
        found = devices(uuid="N/A")
        first = self.report(self.node(owner, "one"), found, "npu-smi")
        assert self.report(self.node(owner, "two"), found, "npu-smi").state == "suspended"
        other = self.report(self.node(owner, "three", instance="machine-b"), found, "npu-smi")
        assert (first.state, other.state) == ("ready", "ready")

    def test_that_is_declared_takes_none_from_its_node(self, owner: Principal) -> None:
        declared = self.report(self.node(owner, "one"), devices(model="h100-sxm-80g"), "declared")
        assert (declared.state, declared.device_claims.count()) == ("ready", 0)
        assert self.report(self.node(owner, "two"), devices()).state == "ready"

    def test_may_be_reported_by_another_node_once_the_first_is_retired(self, owner: Principal) -> None:
        first, second = self.node(owner, "one"), self.node(owner, "two")
        self.report(first, devices())
        assert self.report(second, devices()).state == "suspended"
        services.retire_node(actor=owner, node_id=first.pk, now=NOON)
        assert self.report(second, devices()).state == "ready"

    def test_that_was_exchanged_is_free_for_another_node(self, owner: Principal) -> None:
        first, second = self.node(owner, "one"), self.node(owner, "two")
        self.report(first, devices())
        swapped = [device | {"uuid": f"GPU-new-{device['index']}"} for device in devices()]
        assert self.report(first, swapped).state == "ready"
        assert self.report(second, devices()).state == "ready"
        assert self.report(first, swapped).state == "ready"

    def test_belongs_to_one_node_by_the_database(self, owner: Principal) -> None:
        first = self.report(self.node(owner, "one"), devices())
        taken = first.device_claims.first()
        assert taken is not None
        with (
            pytest.raises(IntegrityError, match=r"(?i)unique.*identity|deviceclaim_pkey"),
            transaction.atomic(),
        ):
            DeviceClaim.objects.create(identity=taken.identity, node=market.node(), claimed_at=NOON)

    @pytest.mark.breaks_the_books
    def test_that_two_ready_nodes_report_is_found_by_the_audit(self, owner: Principal) -> None:
        first = self.report(self.node(owner, "one"), devices())
        second = self.report(self.node(owner, "two"), devices())
        second.hardware_reports.update(is_accepted=True)
        Node.objects.filter(pk=second.pk).update(state=Node.State.READY)
        Node.objects.filter(pk=first.pk).update(state=Node.State.RETIRED)
        assert [finding.split("(")[0] for finding in checks.audit()] == [
            f"Device 0 of node {second.pk} ",
            f"Device 1 of node {second.pk} ",
            f"The retired node {first.pk} still has uuid:gpu-0.",
            f"The retired node {first.pk} still has uuid:gpu-1.",
        ]


class TestHeartbeat:
    def test_keeps_a_node_tradable_and_proves_its_minutes(self) -> None:
        node = market.node()
        for seconds in (0, 20, 40, 60):
            services.hear(node=node, runners=[], now=NOON + timedelta(seconds=seconds))
        assert Heartbeat.objects.count() == 2

    def test_that_is_the_first_of_a_ready_node_is_announced_once(self, heard: list[str]) -> None:
        ready, suspended = market.node(), market.node(state=Node.State.SUSPENDED)
        Node.objects.update(last_heartbeat_at=None)
        for node in (suspended, ready, ready):
            services.hear(node=node, runners=[], now=NOON)
        assert heard == ["arrived"]

    def test_that_stays_away_stops_the_trade_and_that_returns_starts_it(self, heard: list[str]) -> None:
        node = market.node()
        late = NOON + timedelta(seconds=61)
        assert jobs.mark_silent_nodes(now=late - timedelta(seconds=2)) == 0
        assert not node.is_tradable(late)
        assert jobs.mark_silent_nodes(now=late) == 1
        assert jobs.mark_silent_nodes(now=late) == 0
        services.hear(node=node, runners=[], now=late)
        assert heard == ["stale", "returned"]

    def test_does_not_bring_a_suspended_node_back(self, heard: list[str]) -> None:
        node = market.node(state=Node.State.SUSPENDED)
        late = NOON + timedelta(minutes=5)
        jobs.mark_silent_nodes(now=late)
        services.hear(node=node, runners=[], now=late)
        assert heard == ["stale"]

    def test_is_forgotten_after_its_time(self) -> None:
        services.hear(node=market.node(), runners=[], now=NOON)
        assert jobs.forget_old_heartbeats(now=NOON + timedelta(days=7)) == 0
        assert jobs.forget_old_heartbeats(now=NOON + timedelta(days=9)) == 1


class TestForeignNode:
    def test_is_not_found(self) -> None:
        node = market.node()
        with pytest.raises(NodeNotFound):
            services.retire_node(actor=trader(), node_id=node.pk, now=NOON)


class TestSeedMarket:
    def test_lists_the_accelerators_in_use_and_is_safe_to_run_again(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        call_command("seed_market")
        listed = Product.objects.count()
        gpus = set(Product.objects.values_list("gpu", flat=True))
        assert gpus >= {"h100", "h200", "h800", "h20", "a100", "a800", "l40s", "rtx4090", "mi300x", "910b"}
        assert gpus >= {"k100", "s60", "s4000", "mlu370"}
        Product.objects.filter(slug="h100-sxm-80g.cn-east.reserved.ib").update(band_bps=5)
        call_command("seed_market")
        assert Product.objects.count() == listed
        assert Product.objects.get(slug="h100-sxm-80g.cn-east.reserved.ib").band_bps == 5
        assert capsys.readouterr().out.endswith(f"0 products listed, {listed} existed already.\n")

    def test_lists_only_prices_that_are_whole_by_the_minute(self) -> None:
        call_command("seed_market")
        for product in Product.objects.all():
            assert product.reference_price_micros % product.tick_micros == 0
            assert product.tick_micros % 60 == 0
