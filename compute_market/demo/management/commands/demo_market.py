from typing import Any

from django.core.management.base import BaseCommand

from compute_market.demo import cast, jobs
from foundation.clock import database_now


class Command(BaseCommand):
    help = "Make the demo market: providers, nodes and offers that are marked as demo. Safe to run again."

    def handle(self, *_: Any, **options: Any) -> None:
        count = cast.enter(now=database_now())
        jobs.trade(now=database_now())
        self.stdout.write(f"The demo market has {count} nodes.")
