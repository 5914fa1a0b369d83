from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command

from hub.accounts import selectors
from hub.accounts.models import Membership, Namespace, Role, User
from tests.factories import hub as make

pytestmark = pytest.mark.django_db


class TestCreateUser:
    def test_makes_a_user_with_memberships_and_a_token(self) -> None:
        call_command(
            "create_user",
            *("ada", "--full-name", "Ada L.", "--email", "ada@example.org", "--password", make.PASSWORD),
            *("--org", "acme:admin", "--org", "lab", "--token", "hf_adas_token", "--scopes", "read"),
        )
        user = selectors.get_user("ada")
        assert user.check_password(make.PASSWORD)
        assert user.namespace.full_name == "Ada L."
        assert dict(user.memberships.values_list("organization__name", "role")) == {
            "acme": Role.ADMIN,
            "lab": Role.WRITE,
        }
        principal = selectors.principal_for_token("hf_adas_token", now=make.NOW)
        assert principal.user == user
        assert not principal.has_scope("write")

    def test_run_again_changes_what_is_given_and_leaves_the_rest(self) -> None:
        call_command("create_user", "ada", "--full-name", "Ada", "--token", "hf_adas_token")
        call_command(
            "create_user", "ada", "--org", "acme:read", "--token", "hf_adas_token", "--scopes", "read"
        )
        call_command("create_user", "ADA", "--org", "acme:write", "--email", "ada@example.org")
        user = User.objects.get()
        assert (user.namespace.full_name, user.email) == ("Ada", "ada@example.org")
        assert Membership.objects.get().role == Role.WRITE
        assert user.access_tokens.get().scopes == ["read"]

    def test_refuses_the_token_of_somebody_else(self) -> None:
        call_command("create_user", "ada", "--token", "hf_adas_token")
        with pytest.raises(CommandError, match="belongs to another user"):
            call_command("create_user", "bob", "--token", "hf_adas_token")

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (("market",), "name is reserved"),
            (("ada", "--org", "acme:king"), "no role"),
            (("ada", "--password", "123"), "too short"),
            (("ada", "--email", "nowhere"), "valid email"),
            (("ada", "--token", "hf_adas_token", "--scopes", "fly"), "Scopes are"),
        ],
    )
    def test_says_what_is_wrong(self, words: tuple[str, ...], said: str) -> None:
        with pytest.raises(CommandError, match=said):
            call_command("create_user", *words)


class TestCreateOrg:
    def test_makes_an_organization_once_and_changes_it_then(self) -> None:
        call_command("create_org", "acme", "--default-visibility", "private")
        call_command("create_org", "acme", "--full-name", "Acme Inc.")
        made = Namespace.objects.get(key="acme")
        assert (made.is_organization, made.full_name, made.default_visibility) == (
            True,
            "Acme Inc.",
            "private",
        )

    def test_refuses_the_name_of_a_user(self) -> None:
        make.user("ada")
        with pytest.raises(CommandError, match="taken"):
            call_command("create_org", "Ada")
