from __future__ import annotations

import pytest

from foundation.errors import Invalid, Unauthenticated
from hub.accounts.errors import NamespaceDenied, ScopeMissing
from hub.accounts.models import Role
from hub.accounts.principals import Principal
from hub.community.errors import (
    CollectionExists,
    CollectionItemExists,
    CollectionNotFound,
    LinkedNotFound,
)
from hub.community.models import Collection
from hub.community.selectors import collections as selectors
from hub.community.selectors import people
from hub.community.services import collections as services
from hub.community.services import likes
from hub.repos import services as repos
from hub.repos.errors import RepositoryNotFound
from hub.repos.models import Repository
from tests.factories import hub as make
from tests.factories.hub import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> Principal:
    return make.actor("ada")


def collection(
    actor: Principal, title: str = "Small models", *, namespace: str = "", **more: bool
) -> Collection:
    request = services.NewCollection(namespace=namespace or actor.name, title=title, **more)
    return services.create_collection(actor=actor, request=request, now=NOW)


def put(actor: Principal, into: Collection, repository: Repository) -> str:
    item = services.add_item(
        actor=actor, collection=into, type_=repository.kind, item_id=repository.full_name, now=NOW
    )
    return item.key


def shown(actor: Principal, found: Collection) -> list[str]:
    items = selectors.items_of(actor=actor, collections=[found])[found.pk]
    return [item.repository.full_name for item in items if item.repository]


class TestCollections:
    def test_are_found_by_the_key_at_the_end_of_any_slug(self, ada: Principal) -> None:
        made = collection(ada)
        assert made.slug == f"ada/small-models-{made.key}"
        for slug in (made.slug, f"ada/older-title-{made.key}", made.key):
            assert selectors.get_collection(actor=Principal(), slug=slug) == made
        for slug in ("ada/small-models", "", "ada/" + "0" * 24):
            with pytest.raises(CollectionNotFound):
                selectors.get_collection(actor=ada, slug=slug)

    def test_of_an_organization_belong_to_those_who_write(self, ada: Principal) -> None:
        bob = make.user("bob")
        assert ada.user is not None
        make.organization("acme", {ada.user: Role.WRITE, bob: Role.READ})
        made = collection(Principal(user=ada.user), namespace="acme", is_private=True)
        reader = Principal(user=bob)
        assert selectors.get_collection(actor=reader, slug=made.slug) == made
        with pytest.raises(NamespaceDenied):
            services.delete_collection(actor=reader, collection=made)
        with pytest.raises(CollectionNotFound):
            services.delete_collection(actor=make.actor("carl"), collection=made)

    def test_have_one_title_a_namespace(self, ada: Principal) -> None:
        made = collection(ada)
        with pytest.raises(CollectionExists) as refused:
            collection(ada)
        assert refused.value.details["slug"] == made.slug

    @pytest.mark.parametrize(
        "change",
        [
            services.CollectionChange(title=""),
            services.CollectionChange(title="x" * 60),
            services.CollectionChange(description="x" * 151),
            services.CollectionChange(theme="mud"),
        ],
    )
    def test_refuse_what_is_too_long_or_unknown(
        self, ada: Principal, change: services.CollectionChange
    ) -> None:
        made = collection(ada)
        with pytest.raises(Invalid):
            services.change_collection(actor=ada, collection=made, change=change, now=NOW)

    def test_are_put_in_order_among_each_other(self, ada: Principal) -> None:
        made = [collection(ada, f"Title {number}") for number in range(3)]
        change = services.CollectionChange(position=0)
        services.change_collection(actor=ada, collection=made[2], change=change, now=NOW)
        ordered = Collection.objects.order_by("position")
        assert [found.title for found in ordered] == ["Title 2", "Title 0", "Title 1"]

    def test_are_voted_for_once_a_user(self, ada: Principal) -> None:
        made = collection(ada)
        bob = make.actor("bob")
        for is_upvoted, votes in [(True, 1), (True, 1), (False, 0), (False, 0)]:
            assert services.set_upvote(actor=bob, collection=made, is_upvoted=is_upvoted, now=NOW) == votes


class TestItems:
    def test_are_moved_noted_and_removed(self, ada: Principal) -> None:
        made = collection(ada)
        names = ["one", "two", "three"]
        keys = [put(ada, made, make.repository(ada, name)) for name in names]
        services.change_item(actor=ada, collection=made, key=keys[2], position=0, note="best", now=NOW)
        assert shown(ada, made) == ["ada/three", "ada/one", "ada/two"]
        services.change_item(actor=ada, collection=made, key=keys[2], position=99, now=NOW)
        services.remove_item(actor=ada, collection=made, key=keys[0], now=NOW)
        assert shown(ada, made) == ["ada/two", "ada/three"]

    def test_are_in_a_collection_once(self, ada: Principal) -> None:
        made, repository = collection(ada), make.repository(ada)
        put(ada, made, repository)
        with pytest.raises(CollectionItemExists):
            put(ada, made, repository)

    def test_follow_a_repository_that_moves_and_vanish_while_it_is_deleted(self, ada: Principal) -> None:
        made, repository = collection(ada), make.repository(ada, "thing")
        put(ada, made, repository)
        repository = repos.move_repository(actor=ada, repository=repository, to="ada/other")
        assert shown(ada, made) == ["ada/other"]
        repos.delete_repository(actor=ada, repository=repository, now=NOW)
        assert shown(ada, made) == []
        repos.restore_repository(actor=ada, repository=repository, now=NOW)
        assert shown(ada, made) == ["ada/other"]

    def test_are_hidden_from_those_who_may_not_know_of_them(self, ada: Principal) -> None:
        made = collection(ada)
        put(ada, made, make.repository(ada, "open"))
        secret = make.repository(ada, "secret", visibility="private")
        put(ada, made, secret)
        bob = make.actor("bob")
        assert shown(ada, made) == ["ada/open", "ada/secret"]
        assert shown(bob, made) == ["ada/open"]
        assert not selectors.list_collections(actor=bob, items=[("model", secret.full_name)])
        with pytest.raises(RepositoryNotFound):
            put(bob, collection(bob), secret)

    def test_may_be_papers_and_other_collections(self, ada: Principal) -> None:
        made, other = collection(ada), collection(ada, "Other")
        services.add_item(actor=ada, collection=made, type_="paper", item_id="2309.16609", now=NOW)
        services.add_item(actor=ada, collection=made, type_="collection", item_id=other.slug, now=NOW)
        for type_, item_id, refusal in [
            ("paper", "not a paper", LinkedNotFound),
            ("bucket", "ada/bucket", LinkedNotFound),
            ("planet", "mars", Invalid),
            ("collection", made.slug, Invalid),
        ]:
            with pytest.raises(refusal):
                services.add_item(actor=ada, collection=made, type_=type_, item_id=item_id, now=NOW)
        assert list(selectors.list_collections(actor=ada, items=[("paper", "2309.16609")])) == [made]


class TestLikes:
    def test_are_counted_once_a_user(self, ada: Principal) -> None:
        repository = make.repository(ada)
        bob = make.actor("bob")
        assert likes.like(actor=bob, repository=repository, now=NOW)
        assert not likes.like(actor=bob, repository=repository, now=NOW)
        likes.like(actor=ada, repository=repository, now=NOW)
        repository.refresh_from_db()
        assert repository.likes == 2
        assert likes.unlike(actor=bob, repository=repository)
        assert not likes.unlike(actor=bob, repository=repository)
        repository.refresh_from_db()
        assert repository.likes == 1
        assert [like.user for like in people.likers_of(repository)] == [ada.user]

    def test_need_somebody_whose_token_writes(self, ada: Principal) -> None:
        from hub.accounts import selectors as accounts

        repository = make.repository(ada)
        with pytest.raises(Unauthenticated):
            likes.like(actor=Principal(), repository=repository, now=NOW)
        reader = accounts.principal_for_token(make.token(make.user("bob"), "read"), now=NOW)
        with pytest.raises(ScopeMissing):
            likes.like(actor=reader, repository=repository, now=NOW)

    def test_of_what_is_private_by_now_are_not_shown(self, ada: Principal) -> None:
        repository = make.repository(ada)
        bob = make.actor("bob")
        assert bob.user is not None
        likes.like(actor=bob, repository=repository, now=NOW)
        repos.change_settings(actor=ada, repository=repository, change=repos.Settings(visibility="private"))
        assert not people.likes_of(actor=Principal(), user=bob.user)
        assert people.overview_of(actor=Principal(), namespace=bob.user.namespace).likes == 0
