"""`manage.py scrub`: read stored xorbs again and name the damaged ones."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from hub.xet import jobs


class Command(BaseCommand):
    help = "Verify stored xorbs again, beginning with the oldest verification. Fails if any is damaged."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--all", action="store_true", help="Also xorbs that were verified recently.")

    def handle(self, *args: Any, **options: Any) -> None:
        count, damaged = jobs.scrub(now=timezone.now(), everything=options["all"])
        for name in damaged:
            self.stdout.write(f"damaged: {name}")
        self.stdout.write(f"verified: {count - len(damaged)} xorbs")
        if damaged:
            raise CommandError(f"{len(damaged)} xorbs are damaged.")
