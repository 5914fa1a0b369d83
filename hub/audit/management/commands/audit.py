"""`manage.py audit`: check the chain of the audit log, and export its entries."""

from __future__ import annotations

import json
import socket
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TextIO
from urllib.parse import urlsplit

from django.core.management.base import BaseCommand, CommandError

from foundation.errors import Refusal
from hub.audit import archiving, chain
from hub.audit.models import AuditEntry, AuditHead
from hub.blobstore import store_at

# Facility 13 (log audit), severity 5 (notice), as RFC 5424 numbers them.
PRIORITY = 13 * 8 + 5
SYSLOG_PORT = 514
SYSLOG_SECONDS = 10
Write = Callable[[AuditEntry], None]


class Command(BaseCommand):
    help = "Check that no entry of the audit log was changed or removed, or export its entries."

    def add_arguments(self, parser: ArgumentParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True)
        verify = acts.add_parser("verify", help="Check the chain; fail if it is broken, and say where.")
        verify.add_argument(
            "--head",
            action="append",
            default=[],
            metavar="POSITION:DIGEST",
            help="An end of the chain that was kept elsewhere, as the log has it (audit_appended head=…).",
        )
        export = acts.add_parser("export", help="Write entries as JSON Lines, the oldest first.")
        export.add_argument("--after", type=int, default=0, metavar="POSITION", help="Only later entries.")
        export.add_argument(
            "--to",
            default="-",
            help="A file, - for the terminal, tcp://HOST:PORT of a syslog server (RFC 5424, RFC 6587), or"
            " s3://BUCKET/PREFIX, which goes on by itself where the last export there ended.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        chain.append_new()
        if options["act"] == "verify":
            self._verify(options["head"])
        elif options["to"].startswith("s3://"):
            self._archive(options["to"])
        else:
            self._export(after=options["after"], to=options["to"])

    def _verify(self, heads: list[str]) -> None:
        is_whole = True
        for problem in chain.problems(_heads(heads)):
            is_whole = False
            self.stdout.write(problem)
        if not is_whole:
            raise CommandError("The audit log is not as it was written.")
        self.stdout.write(f"The audit log is whole. Its end: {AuditHead.objects.get(pk=1)}")

    def _archive(self, to: str) -> None:
        try:
            count, position = archiving.export(store_at(to), place=to.rstrip("/"))
        except Refusal as refusal:
            raise CommandError(str(refusal)) from refusal
        self.stderr.write(f"{count} entries. {to} goes up to entry {position}.")

    def _export(self, *, after: int, to: str) -> None:
        position, count = after, 0
        try:
            with _writer(to) as write:
                for entry in AuditEntry.objects.sealed().filter(position__gt=after).iterator():
                    write(entry)
                    position, count = entry.position or position, count + 1
        except OSError as error:
            raise CommandError(f"{to}: {error.strerror or error}. Go on with --after {position}.") from error
        self.stderr.write(f"{count} entries. Go on with --after {position}.")


def _heads(texts: list[str]) -> dict[int, str]:
    """Raises: CommandError."""
    found = {}
    for text in texts:
        position, _, digest = text.partition(":")
        if not position.isdecimal() or len(digest) != 64:
            raise CommandError(f"“{text}” is not POSITION:DIGEST.")
        found[int(position)] = digest
    return found


def line_of(entry: AuditEntry) -> str:
    """An entry as one line of JSON, with its digest."""
    return json.dumps(archiving.line_of(entry), ensure_ascii=False)


def syslog_frame(entry: AuditEntry, host: str) -> bytes:
    """An entry as a message of RFC 5424, with its length before it (RFC 6587, octet counting)."""
    at: datetime = entry.at
    head = f"<{PRIORITY}>1 {at.isoformat()} {host} model-bazaar - audit -"
    message = f"{head} {line_of(entry)}".encode()
    return f"{len(message)} ".encode() + message


def _put(file: TextIO, entry: AuditEntry) -> None:
    file.write(f"{line_of(entry)}\n")


@contextmanager
def _writer(to: str) -> Iterator[Write]:
    """Raises: OSError, CommandError (an address that is none)."""
    if to == "-":
        yield lambda entry: _put(sys.stdout, entry)
    elif to.startswith("tcp://"):
        address = urlsplit(to)
        if not address.hostname:
            raise CommandError(f"“{to}” names no host.")
        place, host = (address.hostname, address.port or SYSLOG_PORT), socket.gethostname()
        with socket.create_connection(place, timeout=SYSLOG_SECONDS) as connection:
            yield lambda entry: connection.sendall(syslog_frame(entry, host))
    else:
        with open(to, "a", encoding="utf-8") as file:  # noqa: PTH123 - may be a device
            yield lambda entry: _put(file, entry)
