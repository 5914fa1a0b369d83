"""The log and what is rebuilt from it."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction

from compute_market.ledger.models import Reservation
from compute_market.matching.intake import services
from compute_market.matching.models import Command, Intake
from compute_market.offers.models import Node
from foundation.clock import database_now
from hub.accounts.principals import Principal
from tests.factories.exchange import buy, drain, sell
from tests.factories.market import NOON, lease

pytestmark = pytest.mark.django_db


class TestTheRecord:
    def test_is_the_same_from_the_log_in_any_batches(
        self, provider: Principal, user: Principal, machine: Node, settings: Any
    ) -> None:
        settings.MARKET_BATCH_SIZE = 2
        settings.MARKET_SNAPSHOT_COMMANDS = 5
        offers = [sell(provider, machine, 1, 9 + 3 * n) for n in range(6)]
        for n in range(8):
            buy(user, machine.product, 1, 9 + 3 * (n % 4))
            if n % 3 == 0:
                drain()
        services.cancel_order(actor=provider, order_id=offers[-1].pk, now=NOON)
        drain()
        call_command("replay_market", "--batch", "3", verbosity=0)

    def test_is_audited_for_leases_that_should_be_settled_by_now(self, machine: Node) -> None:
        call_command("audit_market", verbosity=0)
        forgotten = lease(machine, start=database_now() - timedelta(days=2), hours=1)
        complaints = StringIO()
        with pytest.raises(CommandError, match="1 findings"):
            call_command("audit_market", stderr=complaints)
        assert f"lease {forgotten.pk} (pending) ended" in complaints.getvalue()

    def test_the_log_has_no_gap(self, user: Principal, machine: Node) -> None:
        buy(user, machine.product, 1, 12)
        command = Command.objects.order_by("-sequence").first()
        assert command is not None
        command.pk = None
        command.client_order_id = "other"
        command.sequence += 2
        with pytest.raises(IntegrityError, match="has no gaps"), transaction.atomic():
            command.save(force_insert=True)

    def test_the_log_is_not_changed(self, user: Principal, machine: Node) -> None:
        buy(user, machine.product, 1, 12)
        with pytest.raises(IntegrityError, match="is written once"), transaction.atomic():
            Command.objects.update(kind="cancel")

    @pytest.mark.postgres
    def test_the_log_is_not_deleted_from(self, user: Principal, machine: Node) -> None:
        buy(user, machine.product, 1, 12)
        with (
            pytest.raises(IntegrityError, match="is written once"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute("DELETE FROM matching_command")

    def test_numbers_are_given_out_once(self, user: Principal, machine: Node) -> None:
        for _ in range(3):
            buy(user, machine.product, 1, 12)
        numbers = list(Command.objects.order_by("sequence").values_list("sequence", flat=True))
        assert numbers == list(range(1, Intake.objects.get(shard=0).last_sequence + 1))
        drain()
        assert not Reservation.objects.filter(state="voided").exists()
