from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from compute_market.matching.clearing import replay
from compute_market.matching.clearing.shard_engines import REPLAY_BATCH
from compute_market.matching.models import Cursor
from compute_market.read_snapshot import read_snapshot


class Command(BaseCommand):
    help = "Rebuild the books from the command log and compare trades, orders, depth and state hashes."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--shard", type=int, help="Only this shard.")
        parser.add_argument("--batch", type=int, default=REPLAY_BATCH, help="Commands in one step.")

    def handle(self, *args: Any, **options: Any) -> None:
        shards = Cursor.objects.order_by("shard").values_list("shard", flat=True)
        if options["shard"] is not None:
            shards = shards.filter(shard=options["shard"])
        different = 0
        for shard in shards:
            with read_snapshot():
                again = replay.replay(shard=shard, batch=max(1, options["batch"]))
            self.stdout.write(
                f"shard {shard}: {again.matcher.sequence} commands, {again.matcher.number} events,"
                f" {again.trades} trades, state {again.state_hash}"
            )
            for finding in again.findings:
                self.stderr.write(finding)
            different += bool(again.findings)
        if different:
            raise CommandError(f"{different} shards differ from their logs.")
