"""The hub's own machine on its market: its key, its offers, and who may run plain processes on it."""

from __future__ import annotations

import stat
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from bazaar.server import local_node
from compute_market.demo import local, tasks
from compute_market.leases import jobs as lease_jobs
from compute_market.leases import services as leasing
from compute_market.leases.errors import RunnerNotAllowed
from compute_market.leases.models import Lease
from compute_market.matching.models import Order
from compute_market.offers import services as offers
from compute_market.offers.models import HardwareReport, Node
from compute_market.runners import cpu_slices
from compute_market.runners.assemble import assemble
from compute_market.runners.cpu_slices import GIGABYTE
from foundation.clock import database_now
from hub.accounts.models import Role
from hub.accounts.services import set_member
from hub.interface import SYSTEM, Principal, User
from tests.factories import exchange, market
from tests.factories.market import namespace_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> datetime:
    monkeypatch.setattr(cpu_slices.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(cpu_slices, "usable_processors", lambda: (0, 1, 2))
    for module in (cpu_slices, local):
        monkeypatch.setattr(module, "machine_memory_bytes", lambda: 16 * GIGABYTE)
    call_command("seed_market", verbosity=0)
    return database_now()


@pytest.fixture
def node(now: datetime, tmp_path: Path) -> Node:
    return enrolled_here(tmp_path, now)


def enrolled_here(tmp_path: Path, now: datetime) -> Node:
    """This machine, enrolled as its agent would."""
    assert local.prepare(data=tmp_path, now=now)
    key, part, count = (tmp_path / local.FOLDER / local.KEY_FILE).read_text().split()
    assert (part, count) == ("cpu1-x86-2g", "2")
    node = offers.enrol(key=key, instance="f" * 40, runners=["process"], now=now).node
    found = cpu_slices.cpu_slices(part).devices(int(count), fingerprint="f" * 40)
    offers.report_hardware(node=node, method="cpu", devices=found, host={}, now=now)
    node.refresh_from_db()
    offers.hear(node=node, runners=["process"], now=now)
    assert node.state == Node.State.READY
    return node


def lease_of(buyer: Principal, node: Node, now: datetime) -> Lease:
    assert local.offer(now=now) == 2
    exchange.drain(node.product.shard_id, now=now)
    end = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    exchange.buy(buyer, node.product, 1, 0.12, now=now, start=None, end=end)
    exchange.drain(node.product.shard_id, now=now)
    lease_jobs.advance(now=now)
    lease = Lease.objects.get(holder__namespace=namespace_of(buyer))
    assert lease.token is not None
    leasing.take_up(node=node, lease_id=lease.pk, token=lease.token, now=now)
    return lease


class TestThisMachine:
    def test_is_measured_and_offered_from_now_on(self, node: Node, now: datetime) -> None:
        assert HardwareReport.objects.get().method != HardwareReport.Method.DECLARED
        assert local.offer(now=now) == 2
        assert local.offer(now=now) == 0
        first = Order.objects.order_by("start").first()
        assert first is not None
        assert first.start <= now

    def test_is_offered_as_soon_as_it_is_heard_for_the_first_time(
        self,
        now: datetime,
        tmp_path: Path,
        django_capture_on_commit_callbacks: Any,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """The periodic task alone would leave a newcomer waiting. Others' and later heartbeats do nothing."""
        sent: list[object] = []
        monkeypatch.setattr(tasks.tend, "apply_async", lambda **_: sent.append(None))
        with django_capture_on_commit_callbacks(execute=True):
            offers.hear(node=market.node(market.trader(), now=now), runners=["process"], now=now)
            assert sent == []
        with django_capture_on_commit_callbacks(execute=True):
            node = enrolled_here(tmp_path, now)
            offers.hear(node=node, runners=["process"], now=now)
        assert len(sent) == 1
        assert local.offer(now=now) == 2

    def test_runs_plain_processes_for_its_own_people_only(self, node: Node, now: datetime) -> None:
        stranger = exchange.rich()
        theirs = lease_of(stranger, node, now)
        run = {"command": ["true"], "now": now}
        with pytest.raises(RunnerNotAllowed):
            leasing.run_work(actor=stranger, lease_id=theirs.pk, **run)
        user = User.objects.get(namespace_id=namespace_of(stranger))
        set_member(actor=SYSTEM, organization=node.provider.namespace, user=user, role=Role.ADMIN)
        work = leasing.run_work(actor=Principal(user=user), lease_id=theirs.pk, **run)
        assert work.runner == "process"

    def test_its_key_is_for_its_owner_alone_and_made_once(
        self, node: Node, now: datetime, tmp_path: Path
    ) -> None:
        file = tmp_path / local.FOLDER / local.KEY_FILE
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        before = file.read_text()
        assert local.prepare(data=tmp_path, now=now)
        assert file.read_text() == before

    def test_lets_nothing_if_it_has_nothing_to_spare(
        self, now: datetime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(local, "machine_memory_bytes", lambda: 3 * GIGABYTE)
        assert not local.prepare(data=tmp_path, now=now)
        assert not local_node.is_wanted(tmp_path)


class TestTheAgentOfTheServer:
    def test_is_started_from_what_was_left_for_it(self, node: Node, tmp_path: Path) -> None:
        assert (local_node.FOLDER, local_node.KEY_FILE) == (local.FOLDER, local.KEY_FILE)
        words = local_node.words(tmp_path, hub="http://127.0.0.1:1")
        assert Path(words[1]).read_text() == assemble()
        assert words[words.index("--cpu") + 1] == "cpu1-x86-2g"
        assert words[words.index("--gpus") + 1] == "2"
        assert "root" not in words

    @pytest.mark.parametrize("name", ["BAZAAR_MARKET_DEMO", "BAZAAR_MARKET_LOCAL_NODE"])
    def test_is_not_started_where_it_was_turned_off(
        self, node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        assert local_node.is_wanted(tmp_path)
        monkeypatch.setenv(name, "no")
        assert not local_node.is_wanted(tmp_path)
