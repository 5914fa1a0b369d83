"""`manage.py create_user NAME`: make a user with memberships and a token, or bring one up to date."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from foundation.errors import Refusal
from hub.accounts import services
from hub.accounts.models import AccessToken, Role
from hub.accounts.principals import SYSTEM


class Command(BaseCommand):
    help = "Create a user. If it exists, change only the given values."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--full-name", default=None, help="The name on pages.")
        parser.add_argument("--email", default=None)
        parser.add_argument(
            "--password", default=None, help="Without a password the user signs in only by tokens."
        )
        parser.add_argument(
            "--org",
            action="append",
            default=[],
            metavar="ORG[:ROLE]",
            help=f"Make a member ({', '.join(Role.values)}; else write). A missing organization is made.",
        )
        parser.add_argument("--token", default=None, metavar="VALUE", help="An access token to accept.")
        parser.add_argument(
            "--scopes",
            default=AccessToken.Scope.WRITE.value,
            help=f"What --token may do, separated by commas: {', '.join(AccessToken.Scope.values)}.",
        )
        parser.add_argument("--staff", action="store_true", help="Allow the user the operator's pages.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            user, created = services.ensure_user(
                actor=SYSTEM,
                name=options["name"],
                full_name=options["full_name"],
                email=options["email"],
                password=options["password"],
                is_staff=options["staff"],
            )
            for word in options["org"]:
                organization, _, role = word.partition(":")
                services.ensure_member(
                    actor=SYSTEM, organization_name=organization, user=user, role=_role(role or Role.WRITE)
                )
            if options["token"]:
                services.ensure_token(
                    actor=SYSTEM, user=user, secret=options["token"], scopes=options["scopes"].split(",")
                )
        except Refusal as refusal:
            raise CommandError(str(refusal)) from None
        self.stdout.write(f"{'created' if created else 'exists'}: user {user.name}")


def _role(text: str) -> Role:
    if text not in Role.values:
        raise CommandError(f"There is no role “{text}”; the roles are {', '.join(Role.values)}.")
    return Role(text)
