from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from compute_market.matching.intake import services
from foundation.clock import database_now
from hub.interface import SYSTEM


class Command(BaseCommand):
    help = "Stop trading in one product or in all (the kill switch), or resume it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("product", nargs="?", help="The slug of a product; left out: every product.")
        parser.add_argument("--resume", action="store_true", help="Resume trading.")

    def handle(self, *args: Any, **options: Any) -> None:
        act = services.resume if options["resume"] else services.halt
        changed = act(actor=SYSTEM, product=options["product"], now=database_now())
        word = "trading" if options["resume"] else "halted"
        for listing in changed:
            self.stdout.write(f"{listing.product}: {word}")
