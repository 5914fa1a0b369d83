from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import uuid4

from django.core.management.base import BaseCommand, CommandError, CommandParser

from compute_market.ledger import services
from foundation.clock import database_now
from foundation.errors import Refusal
from hub.interface import SYSTEM, get_namespace

MICROS = 1_000_000


class Command(BaseCommand):
    help = "Credit the market account of a namespace with money that arrived from outside."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("namespace")
        parser.add_argument("credits", help="An amount such as 1000 or 12.50.")
        parser.add_argument(
            "--key", default="", help="A repeated call with the same key moves the money once."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            micros = Decimal(options["credits"]) * MICROS
            is_whole = micros == int(micros)
        except (InvalidOperation, OverflowError, ValueError):  # the last two: Infinity and NaN
            raise CommandError(f"{options['credits']} is not a number of credits.") from None
        if not is_whole:
            raise CommandError("A credit has at most six decimal places.")
        if len(options["key"]) > services.KEY_CHARS_MAX:
            raise CommandError(f"A key has at most {services.KEY_CHARS_MAX} characters.")
        try:
            transfer = services.deposit(
                actor=SYSTEM,
                namespace_id=get_namespace(options["namespace"]).pk,
                amount_micros=int(micros),
                key=options["key"] or uuid4().hex,
                now=database_now(),
            )
        except Refusal as refusal:
            raise CommandError(str(refusal)) from None
        self.stdout.write(f"{options['namespace']}: {options['credits']} credits, transfer {transfer.pk}.")
