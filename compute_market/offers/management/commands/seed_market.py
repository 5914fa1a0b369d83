from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction

from compute_market.offers import seeding
from foundation import clock


class Command(BaseCommand):
    help = "List common accelerators as products. Safe to run again: it adds only missing products."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--region", action="append", help="A region; may be repeated.")
        parser.add_argument("--tier", action="append", help="A tier; may be repeated.")

    def handle(self, *_: Any, **options: Any) -> None:
        with transaction.atomic(durable=True):
            new, known = seeding.list_catalogue(
                regions=options["region"] or settings.MARKET_REGIONS,
                tiers=options["tier"] or settings.MARKET_TIERS,
                shards=settings.MARKET_SHARDS,
                now=clock.database_now(),
            )
        self.stdout.write(f"{new} products listed, {known} existed already.")
