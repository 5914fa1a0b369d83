from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from compute_market.leases import checks as leases
from compute_market.ledger import checks as ledger
from compute_market.matching.clearing import checks as matching
from compute_market.offers import checks as offers
from compute_market.read_snapshot import read_snapshot
from foundation.clock import database_now


class Command(BaseCommand):
    help = "Check the invariants of the market (docs/rules/market.md)."

    def handle(self, *args: Any, **options: Any) -> None:
        found = 0
        with read_snapshot():
            audited = (
                ("ledger", ledger.audit()),
                ("leases", leases.audit(now=database_now())),
                ("matching", matching.audit()),
                ("supply", offers.audit()),
            )
        for room, findings in audited:
            self.stdout.write(f"{room}: {'right' if not findings else f'{len(findings)} findings'}")
            for finding in findings:
                self.stderr.write(f"  {finding}")
            found += len(findings)
        if found:
            raise CommandError(f"{found} findings.")
