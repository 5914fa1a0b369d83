"""`manage.py new_xet_generation`: make clients forget what they remember of this store."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from hub.xet import services


class Command(BaseCommand):
    help = (
        "Change the address of the Xet store. Clients remember by address what they sent; after a restore"
        " from backup they would name xorbs that are gone, and their uploads would be refused for weeks."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"Xet store generation: {services.begin_generation()}")
