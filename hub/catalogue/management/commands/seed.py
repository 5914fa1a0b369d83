"""`manage.py seed`: the starter catalogue; with --models and --users a hub of any size."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from foundation.errors import Refusal
from hub.catalogue import scale, services
from hub.progress import Progress


class Command(BaseCommand):
    help = "Fill the hub with the starter catalogue. If it is run again, it adds missing repositories."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--models", type=int, default=0, metavar="N", help="Create N made-up models.")
        parser.add_argument("--users", type=int, default=0, metavar="M", help="Create M made-up users.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self._catalogue()
            self._batches("Users", scale.make_users(options["users"]), options["users"] - scale.count_users())
            models = scale.make_models(options["models"], now=timezone.now())
            self._batches("Models", models, options["models"] - scale.count_models())
        except Refusal as refusal:
            raise CommandError(str(refusal)) from None

    def _catalogue(self) -> None:
        services.ensure_organizations()
        wanted = services.missing_entries()
        if not wanted:
            self.stdout.write("The starter catalogue is complete.")
            return
        with Progress("Starter catalogue", total=len(wanted)) as progress:
            for _ in progress.track(services.fill(wanted, now=timezone.now())):
                pass

    def _batches(self, what: str, batches: Iterator[int], missing: int) -> None:
        if missing > 0:
            with Progress(what, total=missing) as progress:
                for made in batches:
                    progress.advance(made)
