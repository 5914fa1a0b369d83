from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from pytest_django import Settings

from foundation.errors import Invalid
from hub import gitstore
from hub.accounts import services as accounts
from hub.accounts.errors import NamespaceDenied, NamespaceNotFound
from hub.accounts.models import Role
from hub.accounts.names import NameRefused
from hub.accounts.principals import SYSTEM, Principal
from hub.repos import quotas, selectors, services
from hub.repos.errors import (
    NotRestorable,
    RepositoryDenied,
    RepositoryExists,
    RepositoryNotFound,
    RepositoryQuotaExceeded,
    StorageQuotaExceeded,
)
from hub.repos.models import Kind, Repository
from tests.factories import hub as make
from tests.factories import ref_rows
from tests.factories.hub import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> Principal:
    return make.actor("ada")


def get(actor: Principal, repo_id: str) -> Repository:
    return selectors.get_repository(actor=actor, kind="model", repo_id=repo_id)


def move(actor: Principal, repository: Repository, to: str) -> Repository:
    return services.move_repository(actor=actor, repository=repository, to=to)


def delete(actor: Principal, repository: Repository) -> None:
    services.delete_repository(actor=actor, repository=repository, now=NOW)


class TestCreating:
    def test_begins_with_a_commit_of_gitattributes(self, ada: Principal) -> None:
        made = make.repository(ada, "thing")
        git = gitstore.open_repository(made.storage)
        assert ref_rows.main_of(made) == made.head_sha
        assert [entry.path for entry in git.entries(made.head_sha)] == [".gitattributes"]
        assert git.commit(made.head_sha).title == services.INITIAL_COMMIT

    def test_has_one_name_a_kind_in_any_case(self, ada: Principal) -> None:
        make.repository(ada, "Thing")
        make.repository(ada, "thing", kind=Kind.DATASET)
        with pytest.raises(RepositoryExists):
            make.repository(ada, "tHING")

    @pytest.mark.parametrize("name", ["", ".", "a/b", "a..b", "thing.git", "tree", "resolve", "名", "a" * 97])
    def test_refuses_names_that_no_client_could_ask_for(self, ada: Principal, name: str) -> None:
        request = services.NewRepository(kind="model", repo_id=f"ada/{name}")
        with pytest.raises(NameRefused):
            services.create_repository(actor=ada, request=request, now=NOW)
        assert not Repository.objects.exists()

    def test_is_gated_from_the_beginning(self, ada: Principal) -> None:
        request = services.NewRepository(kind="model", repo_id="ada/thing", gating="manual")
        assert services.create_repository(actor=ada, request=request, now=NOW).is_gated
        with pytest.raises(Invalid):
            services.create_repository(
                actor=ada, request=replace(request, repo_id="ada/b", gating="never"), now=NOW
            )

    def test_is_private_where_the_organization_says_so(self, ada: Principal) -> None:
        accounts.create_organization(actor=ada, name="acme", default_visibility="private")
        request = services.NewRepository(kind="model", repo_id="acme/thing")
        made = services.create_repository(actor=make.actor("ada"), request=request, now=NOW)
        assert made.is_private

    def test_in_a_namespace_needs_a_contributor(self, ada: Principal) -> None:
        reader, contributor = make.user("carl"), make.user("dora")
        make.organization("acme", {reader: Role.READ, contributor: Role.CONTRIBUTOR})
        make.repository(contributor, namespace="acme")
        for actor in (Principal(user=reader), ada):
            with pytest.raises(NamespaceDenied):
                make.repository(actor, namespace="acme")
        with pytest.raises(NamespaceNotFound):
            make.repository(ada, namespace="nobody")

    def test_of_an_unknown_kind_is_refused(self, ada: Principal) -> None:
        with pytest.raises(Invalid):
            make.repository(ada, kind="planet")


class TestMoving:
    def test_leaves_a_redirect_until_the_name_is_taken(self, ada: Principal) -> None:
        repository = move(ada, make.repository(ada, "old"), "ada/new")
        assert get(ada, "ADA/Old") == repository
        assert selectors.has_moved(repository, "ada/old")
        newcomer = make.repository(ada, "old")
        assert get(ada, "ada/old") == newcomer

    def test_there_and_back_needs_no_redirect_to_itself(self, ada: Principal) -> None:
        repository = move(ada, make.repository(ada, "old"), "ada/new")
        move(ada, repository, "ada/old")
        assert not selectors.has_moved(get(ada, "ada/old"), "ada/old")
        assert get(ada, "ada/new").name == "old"

    def test_to_a_taken_or_foreign_place_is_refused(self, ada: Principal) -> None:
        repository = make.repository(ada, "one")
        make.repository(ada, "two")
        make.user("bob")
        for to, refusal in [
            ("ada/TWO", RepositoryExists),
            ("bob/one", NamespaceDenied),
            ("nobody/one", NamespaceNotFound),
            ("one", NameRefused),
        ]:
            with pytest.raises(refusal):
                move(ada, repository, to)
        with pytest.raises(RepositoryDenied):
            move(make.actor("bob"), repository, "bob/one")

    def test_follows_a_namespace_that_is_renamed(self, ada: Principal) -> None:
        repository = make.repository(ada, "thing")
        accounts.rename_namespace(actor=ada, namespace=repository.namespace, name="lovelace")
        found = get(ada, "ada/thing")
        assert (found.pk, found.full_name) == (repository.pk, "lovelace/thing")
        assert selectors.has_moved(found, "ada/thing")

    def test_tells_no_stranger_where_a_private_one_went(self, ada: Principal) -> None:
        move(ada, make.repository(ada, "old", visibility="private"), "ada/new")
        with pytest.raises(RepositoryNotFound):
            get(make.actor("bob"), "ada/old")


class TestDeletingAndRestoring:
    def test_frees_the_name_at_once(self, ada: Principal) -> None:
        repository = make.repository(ada, "thing")
        delete(ada, repository)
        with pytest.raises(RepositoryNotFound):
            get(ada, "ada/thing")
        make.repository(ada, "thing")
        with pytest.raises(RepositoryExists):
            services.restore_repository(actor=ada, repository=repository, now=NOW)
        restored = services.restore_repository(actor=ada, repository=repository, name="thing-2", now=NOW)
        assert get(ada, "ada/thing-2") == restored
        assert ref_rows.main_of(restored) == restored.head_sha

    def test_is_final_after_the_grace_period(self, ada: Principal, settings: Settings) -> None:
        repository = make.repository(ada)
        delete(ada, repository)
        late = NOW + timedelta(days=settings.REPOSITORY_RESTORE_DAYS, seconds=1)
        with pytest.raises(NotRestorable):
            services.restore_repository(actor=ada, repository=repository, now=late)

    def test_is_for_admins(self, ada: Principal) -> None:
        repository = make.repository(ada)
        bob = make.actor("bob")
        with pytest.raises(RepositoryDenied):
            delete(bob, repository)
        delete(ada, repository)
        assert list(selectors.restorable(actor=ada)) == [repository]
        assert list(selectors.restorable(actor=bob)) == []
        with pytest.raises(NamespaceDenied):
            services.restore_repository(actor=bob, repository=repository, now=NOW)

    def test_drops_redirects_that_led_to_it(self, ada: Principal) -> None:
        repository = move(ada, make.repository(ada, "old"), "ada/new")
        delete(ada, repository)
        with pytest.raises(RepositoryNotFound):
            get(ada, "ada/old")


class TestSettings:
    def test_refuse_unknown_values(self, ada: Principal) -> None:
        repository = make.repository(ada)
        for change in (services.Settings(visibility="hidden"), services.Settings(gating="locked")):
            with pytest.raises(Invalid):
                services.change_settings(actor=ada, repository=repository, change=change)

    def test_are_for_admins(self, ada: Principal) -> None:
        writer = make.user("carl")
        make.organization("acme", {writer: Role.WRITE})
        repository = make.repository(SYSTEM, "thing", namespace="acme")
        with pytest.raises(RepositoryDenied):
            services.change_settings(
                actor=Principal(user=writer),
                repository=repository,
                change=services.Settings(visibility="private"),
            )


class TestQuotas:
    def test_of_repositories_count_the_live_ones(self, ada: Principal) -> None:
        assert ada.user is not None
        ada.user.namespace.repository_quota = 1
        ada.user.namespace.save()
        first = make.repository(ada)
        with pytest.raises(RepositoryQuotaExceeded, match="owns 1 of at most 1 repositories"):
            make.repository(ada)
        delete(ada, first)
        make.repository(ada)
        with pytest.raises(RepositoryQuotaExceeded):
            services.restore_repository(actor=ada, repository=first, now=NOW)

    def test_hold_for_transfers_too(self, ada: Principal) -> None:
        assert ada.user is not None
        acme = make.organization("acme", {ada.user: Role.ADMIN})
        acme.storage_quota_bytes = 10
        acme.save()
        repository = make.repository(make.actor("ada"))
        Repository.objects.filter(pk=repository.pk).update(size_bytes=11)
        repository.refresh_from_db()
        with pytest.raises(StorageQuotaExceeded):
            move(make.actor("ada"), repository, "acme/thing")

    def test_of_storage_name_the_figures(self, ada: Principal, settings: Settings) -> None:
        settings.DEFAULT_STORAGE_QUOTA_BYTES = 100
        repository = make.repository(ada)
        Repository.objects.filter(pk=repository.pk).update(size_bytes=60)
        quotas.require_room_for_bytes(repository.namespace, 40)
        with pytest.raises(StorageQuotaExceeded) as refused:
            quotas.require_room_for_bytes(repository.namespace, 41)
        assert refused.value.details == {"namespace": "ada", "used": 60, "limit": 100, "needed": 41}
