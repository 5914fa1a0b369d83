"""The bond that declared hardware needs before it trades (rule M18)."""

from __future__ import annotations

from typing import NamedTuple

from django.conf import settings
from django.db.models import Sum

from compute_market.amounts import MICROS_PER_CREDIT
from compute_market.ledger.models import Account
from compute_market.offers.models import HardwareReport, Node, Provider


class Bond(NamedTuple):
    """What a provider has posted, and what its declared hardware asks for; micro-credits."""

    posted_micros: int
    needed_micros: int

    @property
    def suffices(self) -> bool:
        return self.posted_micros >= self.needed_micros


def bond_of(provider: Provider) -> Bond:
    """`MARKET_DECLARED_BOND` credits for every declared GPU of nodes that are not retired."""
    posted = Account.objects.filter(namespace=provider.namespace_id, kind=Account.Kind.BOND).first()
    declared = provider.nodes.filter(hardware=HardwareReport.Method.DECLARED).exclude(
        state=Node.State.RETIRED
    )
    gpus = declared.aggregate(gpus=Sum("gpus", default=0))["gpus"]
    return Bond(
        posted_micros=posted.balance_micros if posted else 0,
        needed_micros=gpus * settings.MARKET_DECLARED_BOND * MICROS_PER_CREDIT,
    )
