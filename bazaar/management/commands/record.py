"""`bazaar record`: keep what a hub holds as a bundle for tests (docs/testing.md)."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from bazaar.testing import bundles


class Command(BaseCommand):
    help = "Keep the metadata and small files of a hub's repositories as a bundle for tests."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--upstream", required=True, metavar="URL")
        parser.add_argument(
            "--repo", action="append", required=True, help="OWNER/NAME or datasets/OWNER/NAME; repeatable."
        )
        parser.add_argument("--out", required=True, type=Path, metavar="FOLDER")
        parser.add_argument(
            "--max-bytes",
            type=int,
            default=bundles.MAX_BYTES,
            help="Larger files become stand-ins (default: %(default)s).",
        )
        parser.add_argument("--token", default=os.environ.get("HF_TOKEN", ""), help="Else HF_TOKEN.")

    def handle(self, *args: Any, **options: Any) -> None:
        upstream = bundles.Upstream(options["upstream"], options["token"])
        try:
            index = bundles.record(upstream, options["repo"], options["out"], max_bytes=options["max_bytes"])
        except bundles.CannotRecord as error:
            raise CommandError(str(error)) from None
        for repository in index["repositories"]:
            self.stdout.write(f"{repository['kind']} {repository['id']}: {len(repository['files'])} files")
