"""The examples of docs/market.md, and the story that the README tells."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from bazaar_client import cli
from compute_market import quantities
from compute_market.leases import jobs, selectors
from compute_market.leases import services as leasing
from compute_market.leases.models import Lease, Work
from compute_market.leases.states import NEXT, State
from compute_market.ledger import checks
from compute_market.ledger.models import Account
from compute_market.matching.models import Order, Trade
from compute_market.offers import services as offers
from compute_market.offers.models import Node
from foundation.clock import HOUR
from hub.accounts.principals import Principal
from tests.factories import exchange
from tests.factories.exchange import MIDNIGHT, buy, drain, rich, sell
from tests.factories.market import CREDIT, NOON, namespace_of

PAGE = Path(__file__).parents[2] / "docs" / "market.md"
LEASES = PAGE.with_name("market-leases.md")
ROW = re.compile(r"^\| (\d+) \| (\d+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", re.MULTILINE)


class TestWorkedExamples:
    def test_are_the_markets_own_arithmetic(self) -> None:
        rows = ROW.findall(PAGE.read_text())
        assert len(rows) >= 3
        for gpus, hours, *amounts in rows:
            price, notional, fee, hold = (int(Decimal(amount) * CREDIT) for amount in amounts)
            minutes = int(gpus) * int(hours) * 60
            assert notional == quantities.notional_micros(
                gpu_minutes=minutes, price_micros_per_gpu_hour=price
            )
            assert fee == quantities.share_micros(amount_micros=notional, bps=10)
            assert hold == quantities.hold_micros(
                gpu_minutes=minutes, price_micros_per_gpu_hour=price, fee_bps=10
            )


class TestCommands:
    """The command line understands each command that the page shows."""

    LINES = re.findall(r"^\$ script/market (.+?)(?:\s{2,}#.*)?$", PAGE.read_text(), re.MULTILINE)

    def test_are_there(self) -> None:
        assert len(self.LINES) >= 7

    @pytest.mark.parametrize("line", LINES)
    def test_can_be_typed_as_written(self, line: str) -> None:
        assert callable(cli.parser().parse_args(line.split()).call)


class TestDiagrams:
    def test_of_orders_name_every_state(self) -> None:
        text = PAGE.read_text()
        assert [state for state in Order.State.values if state not in text] == []

    def test_of_leases_name_every_state_and_no_step_that_is_not_in_the_table(self) -> None:
        text = LEASES.read_text()
        diagram = text[text.index("## A lease") : text.index("### Money")]
        assert [state for state in State.values if state not in diagram] == []
        steps = re.findall(r"\b([a-z_]+) ─+▶ (?=([a-z_]+))", diagram)
        drawn = [step for step in steps if step[0] != "trade"]
        assert len(drawn) >= 3
        assert [step for step in drawn if State(step[1]) not in NEXT[step[0]]] == []

    def test_of_nodes_name_every_state(self) -> None:
        text = LEASES.read_text()
        diagram = text[text.index("## A node") : text.index("### Start an agent")]
        assert [state for state in Node.State.values if state not in diagram] == []


def balance(who: Principal) -> int:
    return Account.objects.get(namespace=namespace_of(who), kind="main").balance_micros


@pytest.mark.django_db
class TestStory:
    """A provider enrols a node, two users bid, a lease runs a command, one GPU-hour is metered, an early end
    is refunded, and the ledger sums to zero.
    """

    def test_of_two_minutes(self) -> None:
        provider, ada, ben = rich(), rich(100_000), rich(100_000)
        product = exchange.product(slug="h100-sxm-80g.cn-east.reserved.ib")

        # The provider enrols a node: a one-time key, a hardware report, a heartbeat.
        shop = offers.register_provider(actor=provider, namespace_id=namespace_of(provider), now=NOON)
        offers.allow_processes(actor=provider, provider=shop, allowed=True)
        key = offers.issue_enrolment_key(
            actor=provider, provider=shop, product=product, name="rack-1", gpus=8, now=NOON
        )
        enrolled = offers.enrol(key=key, instance="machine-1", runners=["process", "fake"], now=NOON)
        devices = [
            {
                "index": number,
                "model": "NVIDIA H100 80GB HBM3",
                "memory_mb": 81_559,
                "driver": "580",
                "uuid": f"GPU-{number}",
            }
            for number in range(8)
        ]
        offers.report_hardware(node=enrolled.node, method="nvml", devices=devices, host={}, now=NOON)
        node = Node.objects.select_related("product").get(pk=enrolled.node.pk)
        offers.hear(node=node, runners=["process", "fake"], now=NOON)

        # It sells 8 GPUs for 24 hours; two users bid; there are two trades at its price.
        sell(provider, node, 8, 12.0)
        buy(ada, product, 4, 12.6, hours=(0, 6))
        buy(ben, product, 4, 12.0, hours=(0, 24))
        drain(product.shard_id)
        assert [(trade.gpus, trade.price_micros_per_gpu_hour) for trade in Trade.objects.order_by("pk")] == [
            (4, 12 * CREDIT),
            (4, 12 * CREDIT),
        ]

        # Ada's lease runs a command on the node.
        begin = MIDNIGHT
        offers.hear(node=node, runners=["process", "fake"], now=begin)
        jobs.start_leases(now=begin)
        lease = Lease.objects.get(holder__namespace=namespace_of(ada))
        assert lease.token is not None
        leasing.take_up(node=node, lease_id=lease.pk, token=lease.token, now=begin)
        work = leasing.run_work(
            actor=ada, lease_id=lease.pk, command=["nvidia-smi", "-L"], runner="fake", now=begin
        )
        leasing.report_work(node=node, token=work.token, state=Work.State.RUNNING, now=begin)
        leasing.append_log(node=node, token=work.token, offset=0, text="GPU 0: NVIDIA H100\n", now=begin)
        leasing.report_work(node=node, token=work.token, state=Work.State.EXITED, exit_code=0, now=begin)
        output, _ = selectors.read_log(work)
        assert output == "GPU 0: NVIDIA H100\n"

        # Fifteen minutes of four GPUs are one GPU-hour; then she ends it, and the rest comes back.
        for minute in range(1, 16):
            offers.hear(node=node, runners=["process", "fake"], now=begin + timedelta(minutes=minute))
            jobs.meter_leases(now=begin + timedelta(minutes=minute))
        leasing.end_early(actor=ada, lease_id=lease.pk, now=begin + timedelta(minutes=15))
        for minute in (15, 16, 20):
            jobs.advance(now=begin + timedelta(minutes=minute))
        lease.refresh_from_db()
        assert lease.state == "settled"
        assert (lease.delivered_minutes, lease.used_micros) == (15, 12 * CREDIT)
        paid = 4 * 6 * 12 * CREDIT
        assert lease.refunded_micros == paid - 12 * CREDIT
        fee = paid * 10 // 10_000
        assert balance(ada) == 100_000 * CREDIT - 12 * CREDIT - fee

        # And the ledger sums to zero.
        assert checks.audit() == []
        assert begin + HOUR < lease.agreed_end_at
