from __future__ import annotations

from importlib import import_module
from typing import Any

from django.core.management.base import BaseCommand, CommandError

ROOMS = ("ledger", "offers", "leases", "matching")


class Command(BaseCommand):
    help = "Check everything that must never happen in the market (docs/market.md)."

    def handle(self, *args: Any, **options: Any) -> None:
        found = 0
        for room in ROOMS:
            try:
                checks = import_module(f"compute_market.{room}.checks")
            except ModuleNotFoundError:
                continue
            findings = checks.audit()
            self.stdout.write(f"{room}: {'right' if not findings else f'{len(findings)} findings'}")
            for finding in findings:
                self.stderr.write(f"  {finding}")
            found += len(findings)
        if found:
            raise CommandError(f"{found} findings.")
