"""`manage.py doctor`: check every dependency and setting, and say how to repair what is wrong."""

from __future__ import annotations

import platform
from argparse import ArgumentParser
from typing import Any

import django
import pygit2
from django.conf import settings
from django.core import checks
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.utils import timezone

from bazaar import readiness
from compute_market.leases import processes
from hub import blobstore
from hub.blobstore import conformance


class Command(BaseCommand):
    help = "Check every dependency and setting, and say how to repair faults."
    # The command reports on these itself, so it must start even if they fail.
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--strict", action="store_true", help="Fail on warnings too.")
        parser.add_argument("--s3", action="store_true", help="Check instead what the S3 store can do.")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["s3"]:
            self._check_store()
            return
        self._facts()
        for name, problem in readiness.report().items():
            mark = self.style.ERROR("FAIL") if problem else self.style.SUCCESS("ok")
            self.stdout.write(f"  {mark:<5} {name}")
        for kind, facts in processes.running().items():
            sums = processes.sums(facts)
            shown = ", ".join(f"{name} {value:.0f}" for name, value in sorted(sums.items()))
            self.stdout.write(f"  {len(facts)} ×   {kind}" + (f": {shown}" if shown else ""))
        found = [
            message for message in checks.run_checks(include_deployment_checks=True) if _concerns(message)
        ]
        for message in sorted(found, key=lambda one: -one.level):
            style = self.style.ERROR if message.is_serious() else self.style.WARNING
            self.stdout.write(style(f"\n{message.msg}  ({message.id})"))
            if message.hint:
                self.stdout.write(f"  repair: {message.hint}")
        level = checks.WARNING if options["strict"] else checks.ERROR
        bad = [message for message in found if message.is_serious(level)]
        if bad:
            raise CommandError(f"{len(bad)} of the checks failed.")
        self.stdout.write("\nEverything needed is there." if not found else "\nNothing is broken.")

    def _check_store(self) -> None:
        """Print one line for each thing that is asked of the S3 store, and what follows where it fails."""
        store = blobstore.get_store()
        if not isinstance(store, blobstore.S3BlobStore):
            raise CommandError("No S3 store is configured: set BAZAAR_S3_BUCKET.")
        self.stdout.write(f"  bucket {store.bucket} at {store.options.endpoint or 'AWS'}\n\n")
        failed = 0
        for finding in conformance.check(store, origin=settings.PUBLIC_URL, now=timezone.now):
            if not finding.problem:
                self.stdout.write(f"  {self.style.SUCCESS('ok')}    {finding.name}")
                continue
            mark = self.style.ERROR("FAIL") if finding.is_needed else self.style.WARNING("no  ")
            self.stdout.write(f"  {mark}  {finding.name}: {finding.problem}\n        {finding.follows}")
            failed += finding.is_needed
        if failed:
            raise CommandError(f"The store fails {failed} of the checks that the hub needs.")
        self.stdout.write("\nThe store can be used.")

    def _facts(self) -> None:
        facts = {
            "data folder": settings.DATA_DIR,
            "database": f"{connection.vendor} {settings.DATABASES['default']['NAME']}",
            "objects": f"S3 bucket {settings.S3['bucket']}" if settings.S3 else settings.BLOB_ROOT,
            "redis": settings.REDIS_URL.rpartition("@")[2],
            "versions": f"Python {platform.python_version()}, Django {django.get_version()},"
            f" libgit2 {pygit2.LIBGIT2_VERSION}",
        }
        for name, value in facts.items():
            self.stdout.write(f"  {name:<12} {value}")
        self.stdout.write("")


def _concerns(message: checks.CheckMessage) -> bool:
    """Django's advice on TLS is for prod; the embedded form speaks plain HTTP on loopback."""
    is_advice = (message.id or "").startswith("security.")
    return not (is_advice and not getattr(settings, "SECURE_PROXY_SSL_HEADER", None))
