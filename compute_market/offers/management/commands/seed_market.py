from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction

from compute_market.offers import listing
from foundation import clock


class Command(BaseCommand):
    help = "List the accelerators in real use as products. Safe to run again: only what is missing is added."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--region", action="append", help="A region, once or more often.")
        parser.add_argument("--tier", action="append", help="A tier, once or more often.")

    def handle(self, *_: Any, **options: Any) -> None:
        with transaction.atomic(durable=True):
            new, known = listing.list_catalogue(
                regions=options["region"] or settings.MARKET_REGIONS,
                tiers=options["tier"] or settings.MARKET_TIERS,
                shards=settings.MARKET_SHARDS,
                now=clock.database_now(),
            )
        self.stdout.write(f"{new} products listed, {known} were there.")
