"""The ports of a work, the callers that may reach them, the programs of the buttons, and counted bytes."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from compute_market.leases import access, jobs, selectors, services, serving, starters, tasks, traffic
from compute_market.leases.errors import LeaseNotFound, LeaseNotRunning, PortNotServed, WorkInvalid
from compute_market.leases.models import Lease, LeaseTraffic, Work
from compute_market.leases.receivers import goes_on
from compute_market.tunnels.grants import Grant, GrantRefused, Ticket
from compute_market.tunnels.hub_messages import LEASES_OVER, NODES_WOKEN, TRAFFIC
from foundation.redis_connection import hasty_connection, key
from hub.interface import Principal, User
from tests.factories import market
from tests.factories.market import NOON

SERVES = [{"port": 8888, "name": "notebook"}, {"socket": "engine.sock"}]


class TestServing:
    def test_keeps_numbers_names_and_sockets(self) -> None:
        assert serving.checked(SERVES) == [
            {"port": 8888, "name": "notebook"},
            {"socket": "engine.sock", "name": "engine"},
        ]
        assert serving.checked([{"port": 80}]) == [{"port": 80, "name": ""}]

    @pytest.mark.parametrize(
        "entries",
        [
            [{}],
            [{"port": 0}],
            [{"port": 65536}],
            [{"port": "80"}],
            [{"port": True}],
            [{"port": 80, "socket": "a"}],
            [{"port": 80, "host": "x"}],
            [{"port": 80, "name": "Upper"}],
            [{"port": 80, "name": "a--b"}],
            [{"port": 80, "name": "!session"}],
            [{"port": 80, "name": "80"}],
            [{"port": 80}, {"port": 80}],
            [{"port": 80, "name": "a"}, {"port": 81, "name": "a"}],
            [{"socket": "../other.sock"}],
            [{"socket": "/run/docker.sock"}],
            [{"socket": ".hidden"}],
            [{"port": 1 + n} for n in range(serving.SERVED_MAX + 1)],
        ],
    )
    def test_refuses_what_is_no_port_of_the_work(self, entries: list[dict[str, Any]]) -> None:
        with pytest.raises(WorkInvalid):
            serving.checked(entries)


@pytest.fixture
def running(db: None) -> tuple[Lease, Principal]:
    """An active lease with a work that serves, and its holder."""
    holder = market.trader(funds=10_000)
    node = market.node(gpus=2)
    made = market.lease(node, holder=holder, start=NOON)
    jobs.start_leases(now=NOON)
    made.refresh_from_db()
    assert made.token is not None
    services.take_up(node=node, lease_id=made.pk, token=made.token, now=NOON)
    services.run_work(
        actor=holder, lease_id=made.pk, command=["serve"], serves=SERVES, now=NOON, runner="process"
    )
    return made, holder


class TestAccess:
    def test_is_the_holders_while_the_lease_runs(self, running: tuple[Lease, Principal]) -> None:
        lease, holder = running
        for port in ("8888", "notebook", "engine"):
            way = access.way_to(actor=holder, lease_id=lease.pk, port=port, now=NOON)
            assert (way.port, way.until) == (port, lease.ends_at)
        with pytest.raises(PortNotServed):
            access.way_to(actor=holder, lease_id=lease.pk, port="22", now=NOON)
        with pytest.raises(LeaseNotFound):
            access.way_to(actor=market.trader(funds=1), lease_id=lease.pk, port="8888", now=NOON)
        with pytest.raises(LeaseNotFound):
            # The supplier of the machine sees the lease, but the hub does not let the supplier into it.
            provider = Principal(user=User.objects.get(namespace=lease.node.provider.namespace_id))
            access.way_to(actor=provider, lease_id=lease.pk, port="8888", now=NOON)
        with pytest.raises(LeaseNotRunning):
            access.way_to(actor=holder, lease_id=lease.pk, port="8888", now=lease.ends_at)

    def test_grants_end_with_the_lease_and_are_for_one_port(self, running: tuple[Lease, Principal]) -> None:
        lease, holder = running
        way = access.way_to(actor=holder, lease_id=lease.pk, port="notebook", now=NOON)
        word = access.grant_for(way, now=NOON, hours=24)
        end = lease.ends_at.timestamp()
        assert Grant.read(access.signing_key(), word, now=end - 1) == Grant(lease.pk, "notebook", end)
        with pytest.raises(GrantRefused):
            Grant.read(access.signing_key(), word, now=end)
        with pytest.raises(GrantRefused):
            # A grant is no ticket, though both are signed by the same key.
            Ticket.read(access.signing_key(), word, now=end - 1)

    def test_addresses_are_origins_of_their_own_if_there_is_a_domain(
        self, settings: Settings, tmp_path: Path
    ) -> None:
        settings.MARKET_LEASES_URL = ""
        assert access.address_of(17, "notebook") == ""
        settings.MARKET_LEASES_URL = "https://leases.example:8443"
        assert access.address_of(17, "notebook") == "https://17--notebook.leases.example:8443"
        assert access.path_of(17, "8888") == "/leases/17/ports/8888"
        settings.MARKET_TUNNEL_SOCKET = str(tmp_path / "tunnels")
        assert access.socket_path() == tmp_path / "tunnels"

    def test_agents_get_a_ticket_with_each_poll(self, running: tuple[Lease, Principal]) -> None:
        lease, _ = running
        (job,) = selectors.assignments(node=lease.node, now=NOON)
        ticket = access.ticket_for(job, now=NOON)
        assert ticket is not None
        read = Ticket.read(access.signing_key(), ticket["ticket"], now=NOON.timestamp())
        assert (read.lease, read.ports) == (lease.pk, (("8888", "notebook"), ("engine", "engine")))
        Work.objects.filter(lease=lease).update(state=Work.State.STOPPING)
        (job,) = selectors.assignments(node=lease.node, now=NOON)
        assert access.ticket_for(job, now=NOON) is None


class TestEnds:
    def test_a_lease_that_is_over_is_published(
        self,
        running: tuple[Lease, Principal],
        django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    ) -> None:
        lease, holder = running
        with hasty_connection().pubsub(ignore_subscribe_messages=True) as messages:  # type: ignore[no-untyped-call]
            messages.subscribe(f"{settings.REDIS_PREFIX}:{LEASES_OVER}")
            assert messages.get_message(timeout=5) is None
            with django_capture_on_commit_callbacks(execute=True):
                services.end_early(actor=holder, lease_id=lease.pk, now=NOON + timedelta(seconds=30))
                jobs.advance(now=NOON + timedelta(minutes=2))
            message = messages.get_message(timeout=20)
        assert message is not None
        assert int(message["data"]) == lease.pk

    def test_and_begins_of_work_wake_the_agent_of_the_node(
        self,
        running: tuple[Lease, Principal],
        django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    ) -> None:
        lease, holder = running
        steps: list[Callable[[], object]] = [
            lambda: services.stop_work(actor=holder, lease_id=lease.pk, now=NOON),
            lambda: Work.objects.filter(lease=lease).update(state=Work.State.EXITED),
            lambda: services.run_work(actor=holder, lease_id=lease.pk, command=["true"], now=NOON),
            lambda: market.lease(lease.node, holder=holder, start=NOON),
            lambda: jobs.advance(now=NOON),
        ]
        with hasty_connection().pubsub(ignore_subscribe_messages=True) as wakeups:  # type: ignore[no-untyped-call]
            wakeups.subscribe(f"{settings.REDIS_PREFIX}:{NODES_WOKEN}")
            assert wakeups.get_message(timeout=5) is None
            woke = []
            for step in steps:
                with django_capture_on_commit_callbacks(execute=True):
                    step()
                message = wakeups.get_message(timeout=1)
                woke.append(message is not None and int(message["data"]) == lease.node_id)
        assert woke == [True, False, True, False, True]

    def test_one_that_another_continues_is_not(
        self,
        running: tuple[Lease, Principal],
        django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    ) -> None:
        """The work goes on in the next lease, and so do its streams."""
        lease, holder = running
        market.lease(lease.node, holder=holder, start=lease.ends_at)
        assert goes_on(lease, lease.ends_at)
        assert not goes_on(lease, lease.ends_at + timedelta(hours=1))
        assert selectors.run_until(lease) == lease.ends_at + timedelta(hours=1)


class TestTraffic:
    @pytest.mark.django_db
    def test_messages_that_nobody_takes_undo_nothing(
        self,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
        caplog: pytest.LogCaptureFixture,
        django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    ) -> None:
        gone = redis.Redis(unix_socket_path=str(tmp_path / "gone"))
        monkeypatch.setattr(traffic, "hasty_connection", lambda: gone)
        with django_capture_on_commit_callbacks(execute=True):
            traffic.tell_over(17)
            traffic.wake_node(4)
        told = [record.getMessage().partition(" error=")[0] for record in caplog.records]
        assert told == [
            f"tunnel_publish_failed channel={LEASES_OVER} number=17",
            f"tunnel_publish_failed channel={NODES_WOKEN} number=4",
        ]

    def test_is_counted_by_a_task(self, running: tuple[Lease, Principal]) -> None:
        lease, _ = running
        hasty_connection().rpush(key(TRAFFIC), json.dumps({lease.pk: [1, 2, 3]}))
        tasks.count_traffic()
        counted = LeaseTraffic.objects.get(lease=lease)
        assert (counted.bytes_in, counted.bytes_out, counted.streams) == (1, 2, 3)

    def test_is_added_to_the_leases_that_there_are(self, running: tuple[Lease, Principal]) -> None:
        lease, _ = running
        name = f"{settings.REDIS_PREFIX}:{TRAFFIC}"
        for counts in ({lease.pk: [1, 20, 1]}, {lease.pk: [2, 30, 1], 10**9: [5, 5, 5]}):
            hasty_connection().rpush(name, json.dumps(counts))
        assert traffic.write_down(now=NOON + timedelta(minutes=1)) == 1
        row = LeaseTraffic.objects.get(lease=lease)
        assert (row.bytes_in, row.bytes_out, row.streams) == (3, 50, 2)
        assert traffic.write_down(now=NOON) == 0


class TestStarters:
    @pytest.mark.parametrize("starter", starters.all_starters(), ids=lambda starter: starter.id)
    def test_are_works_that_the_market_takes(self, starter: starters.Starter) -> None:
        for variant in (starter.container, starter.process):
            served = serving.checked(variant["serves"])
            assert variant["command"]
            assert not starter.opens or serving.find(served, starter.opens)
        assert services.IMAGE.fullmatch(starter.container["image"])
        for language in ("en", "zh-hans", "fr"):
            assert starter.name(language)
            assert starter.about(language)

    def test_start_as_the_node_can(self, running: tuple[Lease, Principal]) -> None:
        lease, _ = running
        work = starters.work_of("jupyterlab", lease.node)
        assert work["serves"] == [{"socket": "notebook.sock", "name": "notebook"}]
        lease.node.runners = ["podman", "process"]
        assert starters.work_of("jupyterlab", lease.node)["image"]
        lease.node.runners = ["fake"]
        for name in ("jupyterlab", "nonsense"):
            with pytest.raises(WorkInvalid):
                starters.work_of(name, lease.node)
