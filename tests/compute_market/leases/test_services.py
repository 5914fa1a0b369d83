from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from compute_market.leases import jobs, selectors, services
from compute_market.leases.errors import (
    LeaseNotFound,
    LeaseNotRunning,
    RunnerNotAllowed,
    StaleToken,
    WorkInvalid,
    WorkNotFound,
    WorkOver,
    WorkRunning,
)
from compute_market.leases.models import Lease, LogChunk, Work
from compute_market.ledger.errors import OperatorOnly
from compute_market.offers.models import Node, Provider
from hub.interface import SYSTEM, Principal, User
from tests.factories import market
from tests.factories.market import NOON, trader

pytestmark = pytest.mark.django_db

SOON = NOON + timedelta(seconds=30)


@pytest.fixture
def holder() -> Principal:
    return trader(funds=100)


@pytest.fixture
def node() -> Node:
    return market.node()


@pytest.fixture
def lease(node: Node, holder: Principal) -> Lease:
    lease = market.lease(node, holder=holder)
    jobs.advance(now=NOON)
    lease.refresh_from_db()
    assert lease.token is not None
    services.take_up(node=node, lease_id=lease.pk, token=lease.token, now=NOON)
    return lease


def run(lease: Lease, holder: Principal, **changes: Any) -> Work:
    values: dict[str, Any] = {"command": ["python", "-c", "print(1)"], "runner": "fake"} | changes
    return services.run_work(actor=holder, lease_id=lease.pk, now=SOON, **values)


class TestRunWork:
    def test_is_seen_by_the_agent_of_the_node(self, lease: Lease, holder: Principal, node: Node) -> None:
        work = run(lease, holder, environment={"EPOCHS": "3"})
        (job,) = selectors.assignments(node=node, now=SOON)
        assert (job.work, job.gpus) == (work, [0])

    def test_is_one_at_a_time(self, lease: Lease, holder: Principal) -> None:
        run(lease, holder)
        with pytest.raises(WorkRunning):
            run(lease, holder)

    def test_is_for_the_holder_of_a_running_lease(self, lease: Lease, holder: Principal) -> None:
        with pytest.raises(LeaseNotFound):
            run(lease, trader())
        Lease.objects.filter(pk=lease.pk).update(ends_at=SOON)
        with pytest.raises(LeaseNotRunning):
            run(lease, holder)

    @pytest.mark.parametrize(
        "change",
        [
            {"command": []},
            {"command": "rm -rf /"},
            {"command": [1]},
            {"command": ["a\x00b"]},
            {"command": ["a"] * 257},
            {"environment": {"CUDA_VISIBLE_DEVICES": "0,1,2,3"}},
            {"environment": {"A=B": "1"}},
            {"environment": {"A": 1}},
            {"command": [""]},
            {"command": ["a" * 65536, "b"]},
            {"environment": {f"V{number}": "" for number in range(129)}},
            {"environment": {"A": "a\x00b"}},
            {"environment": {"A": "a" * 65537}},
            {"environment": {f"V{number}": "a" * 65536 for number in range(4)}},
            {"image": "-v /:/host"},
            {"runner": "ssh"},
        ],
    )
    def test_refuses_what_is_malformed(self, lease: Lease, holder: Principal, change: dict[str, Any]) -> None:
        with pytest.raises(WorkInvalid):
            run(lease, holder, **change)
        assert not Work.objects.exists()

    def test_takes_what_reaches_the_limits(self, lease: Lease, holder: Principal) -> None:
        command = ["a" * (65536 - 255), *["b"] * 255]
        environment = {f"V{number}": "a" * 2045 for number in range(10)}
        environment |= {f"V{number}": "a" * 2044 for number in range(10, 100)}
        environment |= {f"V{number}": "a" * 2043 for number in range(100, 128)}
        work = run(lease, holder, command=command, environment=environment)
        work.refresh_from_db()
        assert (work.command, work.environment) == (command, environment)

    def test_as_a_process_needs_the_provider_to_allow_it(self, lease: Lease, holder: Principal) -> None:
        Provider.objects.update(allows_processes=False)
        with pytest.raises(RunnerNotAllowed):
            run(lease, holder, runner="process")
        with pytest.raises(RunnerNotAllowed):
            run(lease, holder, runner="podman")
        Provider.objects.update(allows_processes=True)
        assert run(lease, holder, runner="process").runner == "process"


class TestReportWork:
    def test_keeps_the_first_reported_end(self, lease: Lease, holder: Principal, node: Node) -> None:
        work = run(lease, holder)
        services.report_work(node=node, token=work.token, state="running", now=SOON)
        services.report_work(node=node, token=work.token, state="exited", exit_code=3, now=SOON)
        again = services.report_work(node=node, token=work.token, state="failed", reason="?", now=SOON)
        assert (again.state, again.exit_code, again.started_at) == ("exited", 3, SOON)

    def test_of_another_node_is_stale(self, lease: Lease, holder: Principal) -> None:
        work = run(lease, holder)
        with pytest.raises(StaleToken):
            services.report_work(node=market.node(), token=work.token, state="running", now=SOON)

    def test_of_a_work_that_is_being_stopped_leaves_it_so(
        self, lease: Lease, holder: Principal, node: Node
    ) -> None:
        work = run(lease, holder)
        Work.objects.update(state=Work.State.STOPPING)
        later = SOON + timedelta(seconds=5)
        told = services.report_work(node=node, token=work.token, state="running", now=later)
        assert (told.state, told.started_at) == ("stopping", later)
        last = later + timedelta(seconds=5)
        again = services.report_work(node=node, token=work.token, state="running", now=last)
        assert again.started_at == later

    def test_takes_states_of_agents_alone(self, lease: Lease, holder: Principal, node: Node) -> None:
        work = run(lease, holder)
        for state in ("queued", "stopping", "lost", ""):
            with pytest.raises(WorkInvalid):
                services.report_work(node=node, token=work.token, state=state, now=SOON)


class TestAgentReports:
    def test_of_a_lease_that_is_not_there_or_of_another_node_are_not_found(
        self, lease: Lease, node: Node
    ) -> None:
        assert lease.token is not None
        for of, lease_id in ((node, lease.pk + 1000), (market.node(), lease.pk)):
            with pytest.raises(LeaseNotFound):
                services.take_up(node=of, lease_id=lease_id, token=lease.token, now=SOON)

    def test_that_it_cannot_be_carried_out_ends_it_once(self, node: Node) -> None:
        lease = market.lease(node)
        jobs.advance(now=NOON)
        lease.refresh_from_db()
        assert lease.token is not None
        for reason in ("no driver", "again"):
            failed = services.fail_provisioning(
                node=node, lease_id=lease.pk, token=lease.token, reason=reason, now=SOON
            )
        assert (failed.state, failed.reason) == ("provision_failed", "no driver")
        with pytest.raises(StaleToken):
            services.fail_provisioning(node=node, lease_id=lease.pk, token=uuid4(), reason="", now=SOON)


class TestRefusalsByState:
    def test_a_lease_that_is_over_is_neither_ended_noticed_nor_reclaimed(
        self, lease: Lease, holder: Principal, node: Node
    ) -> None:
        provider = Principal(user=User.objects.get(namespace=node.provider.namespace_id))
        services.reclaim(actor=SYSTEM, lease_id=lease.pk, reason="abuse", now=SOON)
        hour = SOON + timedelta(hours=1)
        calls: tuple[Callable[[], object], ...] = (
            lambda: services.end_early(actor=holder, lease_id=lease.pk, now=SOON),
            lambda: services.give_notice(
                actor=provider, lease_id=lease.pk, preempt_at=hour, reason="", now=SOON
            ),
            lambda: services.reclaim(actor=SYSTEM, lease_id=lease.pk, reason="abuse", now=SOON),
        )
        for refused in calls:
            with pytest.raises(LeaseNotRunning) as refusal:
                refused()
            assert refusal.value.details == {"state": "reclaimed"}

    def test_a_notice_is_given_before_the_end_alone(self, lease: Lease, node: Node) -> None:
        provider = Principal(user=User.objects.get(namespace=node.provider.namespace_id))
        with pytest.raises(LeaseNotRunning):
            services.give_notice(
                actor=provider, lease_id=lease.pk, preempt_at=lease.ends_at, reason="", now=SOON
            )

    def test_reclaiming_is_for_operators_alone(self, lease: Lease, holder: Principal) -> None:
        with pytest.raises(OperatorOnly):
            services.reclaim(actor=holder, lease_id=lease.pk, reason="abuse", now=SOON)


class TestStopWork:
    def test_asks_the_agent_once_it_runs(self, lease: Lease, holder: Principal, node: Node) -> None:
        work = run(lease, holder)
        services.report_work(node=node, token=work.token, state="running", now=SOON)
        assert services.stop_work(actor=holder, lease_id=lease.pk, now=SOON).state == "stopping"
        services.report_work(node=node, token=work.token, state="stopped", now=SOON)
        with pytest.raises(WorkNotFound):
            services.stop_work(actor=holder, lease_id=lease.pk, now=SOON)

    def test_drops_what_has_not_begun(self, lease: Lease, holder: Principal) -> None:
        run(lease, holder)
        assert services.stop_work(actor=holder, lease_id=lease.pk, now=SOON).state == "stopped"


class TestLog:
    def test_is_kept_once_and_read_in_pages(self, lease: Lease, holder: Principal, node: Node) -> None:
        work = run(lease, holder)
        for offset, text in ((0, "épo"), (0, "épo"), (4, "que\x00\n")):
            expected = services.append_log(node=node, token=work.token, offset=offset, text=text, now=SOON)
        assert selectors.read_log(work) == ("époque\N{REPLACEMENT CHARACTER}\n", expected)
        assert selectors.read_log(work, after=expected) == ("", expected)

    def test_takes_whatever_a_program_may_print(self, lease: Lease, holder: Principal, node: Node) -> None:
        work = run(lease, holder)
        text = "\x00\ud800" + "x" * services.LOG_CHUNK_BYTES_MAX
        assert services.append_log(
            node=node, token=work.token, offset=9, text=text, size=10**6, now=SOON
        ) == (10**6 + 9)
        assert selectors.read_log(work)[0] == "x" * services.LOG_CHUNK_BYTES_MAX

    def test_keeps_no_more_text_than_its_size_says(self, lease: Lease, holder: Principal, node: Node) -> None:
        work = run(lease, holder)
        expected = services.append_log(
            node=node, token=work.token, offset=0, text="x" * services.LOG_CHUNK_BYTES_MAX, size=1, now=SOON
        )
        assert expected == 1
        assert len(selectors.read_log(work)[0]) == 1 + services.LOG_NOTE_BYTES

    @pytest.mark.parametrize(
        ("text", "size"),
        [
            ("\x00" * 2**20, 2**20),
            ("\ufffd" * 4000, 4000),
            ("\x00é" * 2000, 6000),
            ("€" * 40_000, 40_000),
            ("😀" * 9, 1),
        ],
    )
    def test_keeps_no_more_bytes_than_its_size_says(
        self, lease: Lease, holder: Principal, node: Node, text: str, size: int
    ) -> None:
        work = run(lease, holder)
        services.append_log(node=node, token=work.token, offset=0, text=text, size=size, now=SOON)
        kept = selectors.read_log(work)[0]
        assert kept
        assert len(kept.encode()) <= min(size + services.LOG_NOTE_BYTES, services.LOG_CHUNK_BYTES_MAX)

    def test_of_bytes_that_are_no_text_keeps_its_length(
        self, lease: Lease, holder: Principal, node: Node
    ) -> None:
        work = run(lease, holder)
        said = "Größe\n".encode("latin-1") * 100
        text = said.decode(errors="replace")
        services.append_log(node=node, token=work.token, offset=0, text=text, size=len(said), now=SOON)
        assert selectors.read_log(work)[0] == "Gr??e\n" * 100

    def test_of_what_is_over_is_refused(self, lease: Lease, holder: Principal, node: Node) -> None:
        work = run(lease, holder)
        services.report_work(node=node, token=work.token, state="exited", exit_code=0, now=SOON)
        with pytest.raises(WorkOver):
            services.append_log(node=node, token=work.token, offset=0, text="late", now=SOON)

    def test_lets_the_oldest_go_beyond_its_limit(
        self, lease: Lease, holder: Principal, node: Node, settings: Any
    ) -> None:
        settings.MARKET_LOG_BYTES_MAX = 100
        work = run(lease, holder)
        for number in range(10):
            services.append_log(
                node=node, token=work.token, offset=30 * number, text=f"{number:030}", now=SOON
            )
        assert LogChunk.objects.count() == 3
        assert selectors.read_log(work)[1] == 300
