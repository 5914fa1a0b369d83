"""Makes the data folder ready to serve: the schema, and on the first start something to look at.

Run by the supervisor in a process of its own, so that the supervisor need not load Django.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import django

from bazaar.server import demo
from foundation.environment import told_in_a_sentence

# Commands that fill a new installation, in order. Each can be run again and continues where it stopped.
CATALOGUE = ("seed", "seed_market", "demo_market", "local_node")
MARKER = "prepared"


@told_in_a_sentence
def main() -> None:
    parser = argparse.ArgumentParser(prog="bazaar.server.prepare", description=__doc__)
    parser.add_argument("--empty", action="store_true", help="no catalogue and no demo account")
    empty: bool = parser.parse_args().empty
    django.setup()
    from django.conf import settings

    migrate()
    marker = Path(settings.DATA_DIR) / MARKER
    if not marker.exists():
        if not empty:
            fill(Path(settings.DATA_DIR))
        marker.touch()


def migrate() -> None:
    """Apply what is not applied yet; say nothing when that is nothing."""
    from django.core.management import call_command
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if plan:
        sys.stdout.write(f"Bringing the database up to date ({len(plan)} migrations).\n")
        sys.stdout.flush()
        call_command("migrate", interactive=False, verbosity=0)


def fill(data: Path) -> None:
    """Make the starter catalogue and the demo account for new users."""
    from django.conf import settings
    from django.core.management import call_command, get_commands

    for name in CATALOGUE:
        if name in get_commands():
            call_command(name)
    sign_in = demo.load(data) or demo.make(data, token_prefix=settings.TOKEN_PREFIX)
    words = ["--password", sign_in.password, "--token", sign_in.token, "--scopes", "write,trade"]
    call_command("create_user", sign_in.name, "--full-name", "Demo", *words)
    _own_this_machine(sign_in.name)
    if "deposit" in get_commands():
        call_command("deposit", sign_in.name, "10000", "--key", "first-start")


def _own_this_machine(name: str) -> None:
    """Make the demo account a member of the provider: this machine runs plain processes only for members."""
    from compute_market.demo import local
    from compute_market.offers.models import Provider
    from hub.accounts.models import Role, User
    from hub.accounts.principals import SYSTEM
    from hub.accounts.services import ensure_member

    if Provider.objects.filter(namespace__name=local.PROVIDER).exists():
        user = User.objects.get(namespace__name=name)
        ensure_member(actor=SYSTEM, organization_name=local.PROVIDER, user=user, role=Role.ADMIN)


if __name__ == "__main__":
    main()
