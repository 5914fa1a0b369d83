from __future__ import annotations

from datetime import timedelta
from typing import Any

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
from compute_market.offers.models import Node, Provider
from hub.interface import Principal
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
            {"image": "-v /:/host"},
            {"runner": "ssh"},
        ],
    )
    def test_refuses_what_is_malformed(self, lease: Lease, holder: Principal, change: dict[str, Any]) -> None:
        with pytest.raises(WorkInvalid):
            run(lease, holder, **change)
        assert not Work.objects.exists()

    def test_as_a_process_needs_the_provider_to_allow_it(self, lease: Lease, holder: Principal) -> None:
        Provider.objects.update(allows_processes=False)
        with pytest.raises(RunnerNotAllowed):
            run(lease, holder, runner="process")
        with pytest.raises(RunnerNotAllowed):
            run(lease, holder, runner="podman")
        Provider.objects.update(allows_processes=True)
        assert run(lease, holder, runner="process").runner == "process"


class TestReportWork:
    def test_keeps_the_first_end_that_was_told(self, lease: Lease, holder: Principal, node: Node) -> None:
        work = run(lease, holder)
        services.report_work(node=node, token=work.token, state="running", now=SOON)
        services.report_work(node=node, token=work.token, state="exited", exit_code=3, now=SOON)
        again = services.report_work(node=node, token=work.token, state="failed", reason="?", now=SOON)
        assert (again.state, again.exit_code, again.started_at) == ("exited", 3, SOON)

    def test_of_another_node_is_stale(self, lease: Lease, holder: Principal) -> None:
        work = run(lease, holder)
        with pytest.raises(StaleToken):
            services.report_work(node=market.node(), token=work.token, state="running", now=SOON)


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
