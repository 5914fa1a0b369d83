"""`manage.py support_bundle FILE`: the state of this hub for somebody who helps, without secrets."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from bazaar import support


class Command(BaseCommand):
    help = "Write versions, settings without values, the doctor's findings and metrics into a zip archive."
    # A hub that does not pass its checks is described all the same.
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", nargs="?", default="bazaar-support.zip", help="default: %(default)s")

    def handle(self, *args: Any, **options: Any) -> None:
        path = Path(options["file"])
        try:
            with path.open("xb") as file:
                names = support.write(file)
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror}") from error
        self.stdout.write(f"{path} holds {', '.join(names)}. Look at it before you send it.")
