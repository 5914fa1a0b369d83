"""`manage.py create_org NAME`: make an organization, or bring one that exists up to date."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from foundation.errors import Refusal
from hub.accounts import services
from hub.accounts.models import Visibility
from hub.accounts.principals import SYSTEM


class Command(BaseCommand):
    help = "Create an organization. If it exists, change only the given values."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--full-name", default=None, help="The name on pages.")
        parser.add_argument("--default-visibility", choices=Visibility.values, default=None)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            organization, created = services.ensure_organization(
                actor=SYSTEM,
                name=options["name"],
                profile=services.Profile(
                    full_name=options["full_name"], default_visibility=options["default_visibility"]
                ),
            )
        except Refusal as refusal:
            raise CommandError(str(refusal)) from None
        self.stdout.write(f"{'created' if created else 'exists'}: organization {organization.name}")
