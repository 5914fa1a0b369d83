"""`manage.py gc`: remove what nothing uses any more, or list it."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from hub.lfs import jobs as lfs
from hub.revisions import reachability
from hub.xet import jobs as xet
from hub.xet.jobs import Doomed


class Command(BaseCommand):
    help = (
        "Remove large objects that no commit names, bytes that no object has, and xorbs that no file uses."
        " Xorbs go to quarantine first. Safe beside uploads, and to be run again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="List what would go and why.")
        parser.add_argument(
            "--restore", metavar="XORB", nargs="*", help="Take these xorbs, or all, out of quarantine."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        if options["restore"] is not None:
            if options["dry_run"]:
                raise CommandError("--restore and --dry-run do not go together.")
            count = xet.restore(names=options["restore"] or None, now=now)
            self.stdout.write(f"xorbs restored: {count}")
        elif options["dry_run"]:
            self._list(now)
        else:
            self._collect(now)

    def _list(self, now: datetime) -> None:
        count = size = 0
        for repository, oid in reachability.unreachable(now=now):
            self.stdout.write(f"link\t{repository.kind} {repository}\t{oid}\tno commit of any ref names it")
        for found in (*lfs.doomed(now=now), *xet.doomed(now=now)):
            self._line(found)
            count += 1
            size += found.size_bytes
        self.stdout.write(f"would remove: {count} things, {size} bytes (nothing was changed)")

    def _line(self, found: Doomed) -> None:
        self.stdout.write(f"{found.kind}\t{found.name}\t{found.size_bytes} bytes\t{found.reason}")

    def _collect(self, now: datetime) -> None:
        counts = {"unreachable links": reachability.drop_unreachable(now=now)}
        counts |= {f"lfs {kind}": count for kind, count in lfs.collect(now=now).items()}
        counts |= {f"xet {kind}": count for kind, count in xet.collect(now=now).items()}
        for kind, count in counts.items():
            self.stdout.write(f"{kind}: {count}")
