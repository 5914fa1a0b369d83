from __future__ import annotations

from datetime import timedelta

import pytest

from foundation.errors import Denied, Invalid, Unauthenticated
from hub.accounts import policies, selectors, services
from hub.accounts.errors import (
    BadCredentials,
    InvalidToken,
    LastAdmin,
    MemberNotFound,
    NameReserved,
    NamespaceDenied,
    NamespaceNotFound,
    NameTaken,
    ScopeMissing,
    TokenNotFound,
    TooManySignIns,
    WeakPassword,
)
from hub.accounts.models import AccessToken, NamespaceRedirect, Role
from hub.accounts.names import RESERVED_NAMES, NameRefused
from hub.accounts.principals import ANONYMOUS, SYSTEM, Principal
from hub.accounts.services import Grant, Profile
from hub.accounts.throttling import FAILURES_PER_NAME, WINDOW_S
from tests.factories import hub as make
from tests.factories.hub import NOW, PASSWORD

pytestmark = pytest.mark.django_db


class TestNames:
    @pytest.mark.parametrize(
        "name",
        ["", "-a", "a-", ".a", "a.", "a--b", "a..b", "a b", "a/b", "名字", "a.git", "a" * 97, "a\n", "a%2fb"],
    )
    def test_are_spelled_as_the_clients_demand(self, name: str) -> None:
        with pytest.raises(NameRefused):
            services.create_user(name=name)

    @pytest.mark.parametrize("name", ["a", "A1", "a_b", "a.b", "a-b", "_a", "0x", "a" * 96])
    def test_may_be_anything_else(self, name: str) -> None:
        assert services.create_user(name=name).name == name

    @pytest.mark.parametrize("name", sorted(RESERVED_NAMES)[::9])
    def test_that_the_hub_keeps_are_refused_in_any_case(self, name: str) -> None:
        for spelled in (name, name.upper()):
            with pytest.raises(NameRefused):
                services.create_user(name=spelled)

    def test_differ_by_more_than_letter_case_and_are_shared_with_organizations(self) -> None:
        make.user("Ada")
        with pytest.raises(NameTaken):
            make.user("aDA")
        with pytest.raises(NameTaken):
            make.organization("ada")

    def test_are_found_in_any_case(self) -> None:
        user = make.user("Ada")
        assert selectors.get_user("ADA") == user
        with pytest.raises(NamespaceNotFound):
            selectors.get_organization("ada")


class TestRenaming:
    def test_leaves_a_redirect_that_nobody_else_may_take(self) -> None:
        ada = make.actor("ada")
        assert ada.user is not None
        services.rename_namespace(actor=ada, namespace=ada.user.namespace, name="lovelace")
        assert selectors.get_namespace("Ada").name == "lovelace"
        assert selectors.get_user("ada").name == "lovelace"
        with pytest.raises(NameReserved):
            make.user("ADA")
        with pytest.raises(NameReserved):
            services.create_organization(actor=make.actor("bob"), name="ada")
        bob = make.actor("bob")
        assert bob.user is not None
        with pytest.raises(NameReserved):
            services.rename_namespace(actor=bob, namespace=bob.user.namespace, name="Ada")
        assert selectors.get_user("ada").name == "lovelace"

    def test_its_owner_and_an_operator_may_use_a_former_name(self) -> None:
        ada = make.actor("ada")
        assert ada.user is not None
        services.rename_namespace(actor=ada, namespace=ada.user.namespace, name="lovelace")
        made = services.create_organization(actor=ada, name="ada")
        assert selectors.get_namespace("ada") == made
        services.rename_namespace(actor=ada, namespace=made, name="analysts")
        newcomer, _ = services.ensure_user(actor=SYSTEM, name="ada")
        assert selectors.get_user("ada") == newcomer
        assert not NamespaceRedirect.objects.filter(key="ada").exists()

    def test_there_and_back_again_leaves_one_redirect(self) -> None:
        ada = make.actor("ada")
        assert ada.user is not None
        renamed = services.rename_namespace(actor=ada, namespace=ada.user.namespace, name="lovelace")
        services.rename_namespace(actor=ada, namespace=renamed, name="ada")
        assert list(NamespaceRedirect.objects.values_list("key", flat=True)) == ["lovelace"]
        assert selectors.get_namespace("ada").name == "ada"

    def test_may_change_the_case_alone(self) -> None:
        ada = make.actor("ada")
        assert ada.user is not None
        services.rename_namespace(actor=ada, namespace=ada.user.namespace, name="Ada")
        assert selectors.get_namespace("ada").name == "Ada"

    def test_is_for_admins_and_only_to_free_names(self) -> None:
        ada, bob = make.actor("ada"), make.actor("bob")
        assert ada.user is not None
        with pytest.raises(NamespaceDenied):
            services.rename_namespace(actor=bob, namespace=ada.user.namespace, name="lovelace")
        with pytest.raises(NameTaken):
            services.rename_namespace(actor=ada, namespace=ada.user.namespace, name="BOB")
        with pytest.raises(NameRefused):
            services.rename_namespace(actor=ada, namespace=ada.user.namespace, name="market")


class TestPasswords:
    @pytest.mark.parametrize("password", ["short", "1234567890123", "password1234", "adalovelace1"])
    def test_that_are_easy_to_guess_are_refused(self, password: str) -> None:
        with pytest.raises(WeakPassword):
            services.create_user(name="ada", password=password, email="adalovelace1@example.org")

    def test_sign_in_by_name_in_any_case_or_by_address(self) -> None:
        user = make.user("Ada", password=PASSWORD, email="Ada@example.org")
        for name in ("ada", "ADA", " Ada ", "ada@EXAMPLE.org"):
            assert services.sign_in(name=name, password=PASSWORD, address="1.2.3.4") == user

    def test_of_nobody_and_of_the_inactive_do_not(self) -> None:
        user = make.user("ada", password=PASSWORD)
        user.is_active = False
        user.save()
        for name in ("ada", "nobody", "", "\0"):
            with pytest.raises(BadCredentials):
                services.sign_in(name=name, password=PASSWORD, address="1.2.3.5")

    def test_change_needs_the_old_one(self) -> None:
        user = make.user("ada", password=PASSWORD)
        ada = Principal(user=user)
        with pytest.raises(BadCredentials):
            services.change_password(actor=ada, old="wrong", new="another good phrase")
        services.change_password(actor=ada, old=PASSWORD, new="another good phrase")
        user.refresh_from_db()
        assert user.check_password("another good phrase")

    def test_tell_apart_accounts_with_one_address(self) -> None:
        """Signing up with an address says nothing of who has it, and takes nothing from them."""
        ada = make.user("ada", email="ada@example.org", password=PASSWORD)
        other = make.user("mallory", email="ADA@example.org", password="another good phrase")
        for password, user in ((PASSWORD, ada), ("another good phrase", other)):
            found = services.sign_in(name="ada@example.org", password=password, address="1.2.3.7")
            assert found == user
        with pytest.raises(BadCredentials):
            services.sign_in(name="ada@example.org", password="wrong", address="1.2.3.7")


class TestThrottling:
    def fail(self, name: str, address: str, times: int) -> None:
        for _ in range(times):
            with pytest.raises(BadCredentials):
                services.sign_in(name=name, password="wrong", address=address)

    def test_stops_guessing_at_one_name_from_one_address(self) -> None:
        make.user("throttled", password=PASSWORD)
        self.fail("Throttled", "10.0.0.1", FAILURES_PER_NAME.amount)
        with pytest.raises(TooManySignIns) as refused:
            services.sign_in(name="throttled", password=PASSWORD, address="10.0.0.1")
        assert 0 < refused.value.details["retry_after_s"] <= WINDOW_S

    def test_keeps_nobody_from_signing_in_at_another_address(self) -> None:
        user = make.user("bystander", password=PASSWORD)
        self.fail("bystander", "10.0.3.1", FAILURES_PER_NAME.amount)
        assert services.sign_in(name="bystander", password=PASSWORD, address="10.0.3.2") == user

    def test_counts_a_network_of_ipv6_as_one_address(self) -> None:
        make.user("sixer", password=PASSWORD)
        for number in range(FAILURES_PER_NAME.amount):
            self.fail("sixer", f"2001:db8:0:1::{number:x}", 1)
        with pytest.raises(TooManySignIns):
            services.sign_in(name="sixer", password=PASSWORD, address="2001:db8:0:1:ffff::1")

    def test_forgets_failures_of_the_name_after_a_right_password(self) -> None:
        make.user("forgetful", password=PASSWORD)
        for _ in range(2):
            self.fail("forgetful", "10.0.1.1", FAILURES_PER_NAME.amount - 1)
            services.sign_in(name="forgetful", password=PASSWORD, address="10.0.1.1")

    def test_stops_one_address_that_tries_many_names(self) -> None:
        for number in range(50):
            self.fail(f"victim{number}", "10.0.2.1", 1)
        with pytest.raises(TooManySignIns):
            services.sign_in(name="another", password="wrong", address="10.0.2.1")
        self.fail("another", "10.0.2.2", 1)


class TestOrganizations:
    def test_begin_with_their_maker_as_admin(self) -> None:
        ada = make.actor("ada")
        made = services.create_organization(actor=ada, name="Acme", default_visibility="private")
        assert (made.default_visibility, policies.role_in(make.actor("ada"), made.pk)) == (
            "private",
            Role.ADMIN,
        )
        with pytest.raises(Unauthenticated):
            services.create_organization(actor=ANONYMOUS, name="Apex")

    def test_keep_at_least_one_admin(self) -> None:
        ada = make.user("ada")
        acme = make.organization("acme", {ada: Role.ADMIN})
        actor = Principal(user=ada)
        for attempt in (
            lambda: services.remove_member(actor=actor, organization=acme, user=ada),
            lambda: services.set_member(actor=actor, organization=acme, user=ada, role=Role.WRITE),
        ):
            with pytest.raises(LastAdmin):
                attempt()
        services.set_member(actor=actor, organization=acme, user=make.user("bob"), role=Role.ADMIN)
        services.remove_member(actor=actor, organization=acme, user=ada)

    def test_are_changed_by_admins_only(self) -> None:
        roles = [Role.READ, Role.CONTRIBUTOR, Role.WRITE]
        members = {make.user(role.value): role for role in roles if role.value not in RESERVED_NAMES}
        acme = make.organization("acme", members)
        for member in members:
            with pytest.raises(NamespaceDenied):
                services.set_member(
                    actor=Principal(user=member), organization=acme, user=member, role=Role.ADMIN
                )
            with pytest.raises(NamespaceDenied):
                services.update_profile(
                    actor=Principal(user=member), namespace=acme, profile=Profile(details="x")
                )
            services.remove_member(actor=Principal(user=member), organization=acme, user=member)
        with pytest.raises(MemberNotFound):
            services.remove_member(actor=SYSTEM, organization=acme, user=make.user("stranger"))


class TestTokens:
    def test_speak_for_their_user_until_they_expire_or_are_revoked(self) -> None:
        ada = make.actor("ada")
        token, secret = services.create_token(
            actor=ada, name="ci", scopes=["read"], expires_at=NOW + timedelta(hours=1)
        )
        assert selectors.principal_for_token(secret, now=NOW).user == ada.user
        with pytest.raises(InvalidToken):
            selectors.principal_for_token(secret, now=NOW + timedelta(hours=1))
        services.revoke_token(actor=ada, token_id=token.pk)
        with pytest.raises(InvalidToken):
            selectors.principal_for_token(secret, now=NOW)

    def test_are_kept_only_as_a_hash(self) -> None:
        token, secret = services.create_token(actor=make.actor("ada"), name="ci", scopes=["read"])
        stored = {str(value) for value in AccessToken.objects.values().get().values()}
        assert secret not in stored
        assert token.digest == selectors.digest(secret)
        assert secret.endswith(token.hint)

    def test_of_the_inactive_do_not_count(self) -> None:
        user = make.user("ada")
        secret = make.token(user)
        user.is_active = False
        user.save()
        with pytest.raises(InvalidToken):
            selectors.principal_for_token(secret, now=NOW)

    def test_reach_as_far_as_their_scopes(self) -> None:
        user = make.user("ada")

        def reach(*scopes: str) -> set[str]:
            principal = selectors.principal_for_token(make.token(user, *scopes), now=NOW)
            return {scope for scope in ("read", "write", "trade") if principal.has_scope(scope)}

        assert reach("read") == {"read"}
        assert reach("write") == {"read", "write"}
        assert reach("trade") == {"trade"}

    def test_never_make_one_that_reaches_further(self) -> None:
        user = make.user("ada")
        writer = selectors.principal_for_token(make.token(user, "write"), now=NOW)
        services.create_token(actor=writer, name="more", scopes=["write", "read"])
        with pytest.raises(ScopeMissing):
            services.create_token(actor=writer, name="more", scopes=["trade"])
        reader = selectors.principal_for_token(make.token(user, "read"), now=NOW)
        with pytest.raises(ScopeMissing):
            services.create_token(actor=reader, name="more", scopes=["read"])
        token, _ = services.create_token(
            actor=Principal(user=user), name="fine", scopes=["write"], grants=[Grant(user.namespace_id)]
        )
        with pytest.raises(Denied):
            services.create_token(actor=Principal(user=user, token=token), name="x", scopes=["read"])

    def test_are_granted_only_places_of_their_user(self) -> None:
        bob = make.user("bob")
        with pytest.raises(Invalid):
            services.create_token(
                actor=make.actor("ada"), name="ci", scopes=["read"], grants=[Grant(bob.namespace_id)]
            )

    @pytest.mark.parametrize(
        ("name", "scopes"), [("", ["read"]), ("x" * 81, ["read"]), ("ci", []), ("ci", ["fly"])]
    )
    def test_need_a_name_and_known_scopes(self, name: str, scopes: list[str]) -> None:
        with pytest.raises(Invalid):
            services.create_token(actor=make.actor("ada"), name=name, scopes=scopes)

    def test_are_revoked_by_their_owner_alone(self) -> None:
        token, _ = services.create_token(actor=make.actor("ada"), name="ci", scopes=["read"])
        with pytest.raises(TokenNotFound):
            services.revoke_token(actor=make.actor("bob"), token_id=token.pk)
