from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from compute_market.demo import local
from foundation.clock import database_now


class Command(BaseCommand):
    help = "Offer this machine's processors on the market of its own hub. The server then starts the agent."

    def handle(self, *_: Any, **options: Any) -> None:
        if local.prepare(data=Path(settings.DATA_DIR), now=database_now()):
            self.stdout.write("This machine's processors are offered; the server starts the agent.")
        else:
            self.stdout.write("This machine does not have enough memory or processors to offer any.")
