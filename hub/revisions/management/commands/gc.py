"""`manage.py gc`: remove objects, bytes and xorbs that nothing uses any more, or list them."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import datetime
from itertools import chain
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.template.defaultfilters import filesizeformat
from django.utils import timezone

from hub.lfs import jobs as lfs
from hub.revisions import reachability
from hub.xet import jobs as xet
from hub.xet.jobs import Doomed


class Command(BaseCommand):
    help = (
        "Remove large objects that no commit names, bytes that no object has, and xorbs that no file uses."
        " Xorbs go to quarantine first. Safe during uploads, and safe to repeat."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--dry-run", action="store_true", help="List what would be removed, with the reason."
        )
        parser.add_argument(
            "--restore", metavar="XORB", nargs="*", help="Restore these xorbs, or all, from quarantine."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        if options["restore"] is not None:
            if options["dry_run"]:
                raise CommandError("--restore and --dry-run cannot be combined.")
            count = xet.restore(names=options["restore"] or None, now=now)
            self.stdout.write(f"xorbs restored: {count}")
        elif options["dry_run"]:
            self._list(now)
        else:
            self._collect(now)

    def _list(self, now: datetime) -> None:
        """A line for each find: kind, name, freed bytes, reason; then the sums."""
        sums: dict[str, list[int]] = {}
        for found in chain(self._links(now), lfs.doomed(now=now), xet.doomed(now=now)):
            size = filesizeformat(found.size_bytes)
            self.stdout.write(f"{found.kind}\t{found.name}\t{size}\t{found.reason}")
            sums.setdefault(found.kind, []).append(found.size_bytes)
        for kind, sizes in sums.items():
            self.stdout.write(f"{kind}: {len(sizes)}, {filesizeformat(sum(sizes))} freed")
        count, size_bytes = xet.quarantined()
        self.stdout.write(
            f"in quarantine now: {count} xorbs, {filesizeformat(size_bytes)}; --restore restores them"
        )
        self.stdout.write(
            "Dependent rows and bytes are removed at the same time or later. Dry run: nothing was changed."
        )

    def _links(self, now: datetime) -> Iterator[Doomed]:
        for repository, oid in reachability.unreachable(now=now):
            yield Doomed("unreachable link", oid, 0, f"no commit of any ref of {repository} names it")

    def _collect(self, now: datetime) -> None:
        counts = {"unreachable links": reachability.drop_unreachable(now=now)}
        counts |= {f"lfs {kind}": count for kind, count in lfs.collect(now=now).items()}
        counts |= {f"xet {kind}": count for kind, count in xet.collect(now=now).items()}
        for kind, count in counts.items():
            self.stdout.write(f"{kind}: {count}")
