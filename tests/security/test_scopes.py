"""The reach of credentials: a fine-grained, read or trade token never acts for the account itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from compute_market.ledger import policies as ledger
from foundation.errors import Denied
from hub.accounts import selectors, services
from hub.accounts.errors import ScopeMissing
from hub.accounts.models import AccessToken, Namespace, Role
from hub.accounts.principals import SYSTEM, Principal
from hub.accounts.services import Grant, Profile
from hub.community.services import likes, people
from hub.repos import gating
from hub.repos import services as repos
from tests.factories import hub as make
from tests.factories.hub import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> Principal:
    return make.actor("ada")


@pytest.fixture
def organization(ada: Principal) -> Namespace:
    assert ada.user is not None
    return make.organization("orga", {ada.user: Role.ADMIN, make.user("carol"): Role.READ})


def principal(owner: Principal, scopes: list[str], grants: list[Grant]) -> Principal:
    _, secret = services.create_token(actor=owner, name="test", scopes=scopes, grants=grants)
    return selectors.principal_for_token(secret, now=NOW)


def narrow_credentials(ada: Principal, organization: Namespace) -> list[Principal]:
    """Everything of ada's that must not act for her account or her organization."""
    assert ada.user is not None
    own = ada.user.namespace_id
    repository = make.repository(ada, "thing", namespace="orga")
    whole = [Grant(organization.pk, can_write=True), Grant(own, can_write=True)]
    single = [Grant(organization.pk, repository.pk, can_write=True)]
    return [
        principal(ada, ["read"], []),
        principal(ada, ["trade"], []),
        principal(ada, ["read", "write", "trade"], whole),
        principal(ada, ["write"], single),
    ]


def account_acts(organization: Namespace) -> dict[str, Callable[[Principal], Any]]:
    """Every use case that belongs to an account or an organization as a whole."""
    mallory, carol = make.user("mallory"), selectors.get_user("carol")
    other = make.repository(make.user("bob"), "liked")
    gated = make.repository(make.user("gert"), "gated", gating="manual")
    mine = selectors.get_user("ada")
    return {
        "add a member": lambda actor: services.set_member(
            actor=actor, organization=organization, user=mallory, role=Role.ADMIN
        ),
        "remove a member": lambda actor: services.remove_member(
            actor=actor, organization=organization, user=carol
        ),
        "leave": lambda actor: services.remove_member(actor=actor, organization=organization, user=mine),
        "rename the organization": lambda actor: services.rename_namespace(
            actor=actor, namespace=organization, name="taken-over"
        ),
        "rename the user": lambda actor: services.rename_namespace(
            actor=actor, namespace=mine.namespace, name="lovelace"
        ),
        "change the profile": lambda actor: services.update_profile(
            actor=actor, namespace=organization, profile=Profile(details="pwned")
        ),
        "list the tokens": lambda actor: list(selectors.tokens_of(actor=actor)),
        "make a token": lambda actor: services.create_token(actor=actor, name="more", scopes=["read"]),
        "revoke a token": lambda actor: services.revoke_token(actor=actor, token_id=1),
        "change the password": lambda actor: services.change_password(actor=actor, old="", new="x" * 20),
        "make an organization": lambda actor: services.create_organization(actor=actor, name="neworg"),
        "like": lambda actor: likes.like(actor=actor, repository=other, now=NOW),
        "follow": lambda actor: people.set_follow(
            actor=actor, namespace=organization, is_following=True, now=NOW
        ),
        "watch": lambda actor: people.set_watch(actor=actor, target=other, is_watching=True, now=NOW),
        "read notifications": lambda actor: people.mark_notifications(actor=actor, ids=None, is_read=True),
        "ask for access": lambda actor: gating.ask_access(actor=actor, repository=gated, fields={}, now=NOW),
    }


class TestNarrowCredentials:
    def test_never_act_for_the_account(self, ada: Principal, organization: Namespace) -> None:
        narrow = narrow_credentials(ada, organization)
        for what, act in account_acts(organization).items():
            for actor in narrow:
                with pytest.raises((Denied, ScopeMissing)):
                    act(actor)
                    pytest.fail(f"{what} by {actor.token}")

    def test_a_fine_grained_token_gives_nobody_a_role_in_a_repository(
        self, ada: Principal, organization: Namespace
    ) -> None:
        actor = narrow_credentials(ada, organization)[2]
        repository = make.repository(ada, "other", namespace="orga")
        with pytest.raises(Denied):
            repos.set_collaborator(
                actor=actor, repository=repository, user=selectors.get_user("carol"), role=Role.WRITE
            )

    def test_spend_nothing_without_a_grant_of_the_whole_namespace(
        self, ada: Principal, organization: Namespace
    ) -> None:
        repository = make.repository(ada, "thing", namespace="orga")
        single = principal(ada, ["trade", "read"], [Grant(organization.pk, repository.pk)])
        whole = principal(ada, ["trade"], [Grant(organization.pk)])
        assert not ledger.may_spend(single, organization.pk)
        assert organization.pk not in ledger.readable_namespaces(single)
        assert ledger.may_spend(whole, organization.pk)


class TestLists:
    def test_of_tokens_are_for_whole_credentials(self, client: Client, ada: Principal) -> None:
        assert ada.user is not None
        for scopes in (["read"], ["trade"]):
            answer = client.get("/api/hub/v1/tokens", headers=make.bearer(ada.user, *scopes))
            assert answer.status_code == 403
        assert client.get("/api/hub/v1/tokens", headers=make.bearer(ada.user, "write")).status_code == 200

    def test_of_watches_and_grants_do_not_name_what_was_hidden_since(
        self, client: Client, ada: Principal
    ) -> None:
        """A repository that went private and was moved keeps its new name from those who watched it."""
        assert ada.user is not None
        bob = make.actor("bob")
        repository = make.repository(bob, "open")
        people.set_watch(actor=ada, target=repository, is_watching=True, now=NOW)
        repos.set_collaborator(actor=bob, repository=repository, user=ada.user, role=Role.WRITE)
        token, _ = services.create_token(actor=ada, name="ci", scopes=["write"])
        token.is_fine_grained = True
        token.save()
        token.grants.create(namespace=repository.namespace, repository=repository, can_write=True)
        repos.set_collaborator(actor=bob, repository=repository, user=ada.user, role=None)
        repos.change_settings(actor=bob, repository=repository, change=repos.Settings(visibility="private"))
        repos.move_repository(actor=bob, repository=repository, to="bob/secret-merger")
        headers = make.bearer(ada.user, "write")
        client.force_login(ada.user)
        for address in ("/api/hub/v1/watches", "/api/hub/v1/tokens", "/settings/tokens"):
            answer = client.get(address, headers={} if address.startswith("/settings") else headers)
            assert answer.status_code == 200
            assert "secret-merger" not in answer.content.decode()

    def test_of_deleted_repositories_are_narrowed_by_grants(self, client: Client, ada: Principal) -> None:
        assert ada.user is not None
        doomed = make.repository(ada, "doomed-secret", visibility="private")
        kept = make.repository(ada, "kept")
        repos.delete_repository(actor=ada, repository=doomed, now=NOW)
        _, secret = services.create_token(
            actor=ada, name="ci", scopes=["read"], grants=[Grant(ada.user.namespace_id, kept.pk)]
        )
        narrow = client.get("/api/hub/v1/repositories/deleted", headers={"Authorization": f"Bearer {secret}"})
        assert (narrow.status_code, narrow.json()) == (200, [])
        whole = client.get("/api/hub/v1/repositories/deleted", headers=make.bearer(ada.user))
        assert [row["repo_id"] for row in whole.json()] == ["ada/doomed-secret"]


class TestOperators:
    def test_do_all_of_it_at_the_command_line(self, ada: Principal, organization: Namespace) -> None:
        carol = selectors.get_user("carol")
        services.set_member(actor=SYSTEM, organization=organization, user=carol, role=Role.WRITE)
        services.rename_namespace(actor=SYSTEM, namespace=organization, name="orgb")
        assert AccessToken.objects.count() == 0
