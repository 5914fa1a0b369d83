"""`manage.py drain`: let the front server go elsewhere before a node is stopped (docs/operate/upgrade.md)."""

from __future__ import annotations

import os
import time
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from bazaar.server import running
from bazaar.server.running import DRAIN, SERVE, WebServer
from foundation import environment as env

LOOK_SECONDS = 0.2


class Command(BaseCommand):
    help = (
        "Drain the web servers of this machine: /readyz answers 503 and connections end after their request. "
        "Waits until none is left, or for BAZAAR_DRAIN_SECONDS (30 if that is 0)."
    )
    requires_migrations_checks = False
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--undo", action="store_true", help="Serve as usual again.")
        parser.add_argument("--bind", default="", help="Only the web server at this BAZAAR_BIND.")

    def handle(self, *args: Any, **options: Any) -> None:
        seconds = env.integer("BAZAAR_DRAIN_SECONDS", default=0) or 30
        if not self._found(options["bind"]):
            raise CommandError("No web server runs here.")
        for server in self._found(options["bind"]):
            os.kill(server.process, SERVE if options["undo"] else DRAIN)
        deadline = time.monotonic() + seconds
        while not all(
            map(_serves if options["undo"] else _is_drained, servers := self._found(options["bind"]))
        ):
            if time.monotonic() >= deadline:
                break
            time.sleep(LOOK_SECONDS)
        for server in servers:
            self.stdout.write(_state_of(server))

    @staticmethod
    def _found(bind: str) -> list[WebServer]:
        servers = running.found(running.folder(settings.DATA_DIR))
        return [server for server in servers if bind in {"", server.bind}]


def _serves(server: WebServer) -> bool:
    return not server.is_draining


def _is_drained(server: WebServer) -> bool:
    return server.is_draining and not server.connections


def _state_of(server: WebServer) -> str:
    name = f"The web server at {server.bind} (process {server.process})"
    if not server.is_draining:
        return f"{name} serves."
    return f"{name} is drained; {server.connections} connections are left."
