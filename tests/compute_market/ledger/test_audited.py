"""The acts of operators on the market are in the audit log."""

from __future__ import annotations

import pytest

from compute_market.ledger import services as ledger
from compute_market.matching.intake import services as matching
from hub.audit.models import AuditEntry
from hub.interface import SYSTEM
from tests.factories import hub
from tests.factories.market import NOON

pytestmark = pytest.mark.django_db


def test_money_in_and_out_is_with_its_amount_and_cause() -> None:
    alice = hub.user("alice")
    ledger.deposit(actor=SYSTEM, namespace_id=alice.namespace_id, amount_micros=7, key="a", now=NOON)
    entry = AuditEntry.objects.latest("id")
    assert (entry.actor, entry.action, entry.subject) == ("system", "market_deposited", "account alice")
    assert entry.details == {"amount_micros": 7, "cause": "deposit/a"}
    assert entry.namespace_id == alice.namespace_id
    ledger.withdraw(actor=SYSTEM, namespace_id=alice.namespace_id, amount_micros=3, key="b", now=NOON)
    assert AuditEntry.objects.latest("id").action == "market_withdrawn"


def test_a_halt_and_its_end_are_with_what_they_stop() -> None:
    matching.halt(actor=SYSTEM, now=NOON)
    assert [AuditEntry.objects.latest("id").action, AuditEntry.objects.latest("id").subject] == [
        "market_halted",
        "market",
    ]
    matching.resume(actor=SYSTEM, now=NOON)
    assert AuditEntry.objects.latest("id").action == "market_resumed"
