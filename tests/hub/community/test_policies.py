"""Rights in discussions, pull requests and collections: by role, by authorship, by token."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from foundation.errors import Denied, Unauthenticated
from hub.accounts.errors import NamespaceDenied, ScopeMissing
from hub.accounts.models import Namespace, Role, User
from hub.accounts.principals import ANONYMOUS, SYSTEM, Principal
from hub.community import policies
from hub.community.errors import CollectionNotFound, DiscussionDenied, DiscussionsDisabled
from hub.community.models import Collection, Discussion, DiscussionEvent
from hub.community.services import collections
from hub.community.services import discussions as services
from hub.repos import services as repos
from hub.repos.errors import RepositoryDenied, RepositoryNotFound
from hub.repos.models import Repository
from tests.factories import hub as make
from tests.factories.hub import NOW
from tests.hub.accounts.test_policies import through_token

pytestmark = pytest.mark.django_db


@pytest.fixture
def users() -> dict[str, User]:
    made = {name: make.user(name) for name in ("author", "reader", "writer", "stranger")}
    make.organization("acme", {made["reader"]: Role.READ, made["writer"]: Role.WRITE})
    return made


@pytest.fixture
def repository(users: dict[str, User]) -> Repository:
    return make.repository(SYSTEM, "thing", namespace="acme")


@pytest.fixture
def thread(users: dict[str, User], repository: Repository) -> Discussion:
    author = Principal(user=users["author"])
    return services.open_discussion(
        actor=author, repository=repository, title="A question", text="?", now=NOW
    )


@pytest.fixture
def comment(thread: Discussion) -> DiscussionEvent:
    return DiscussionEvent.objects.get(discussion=thread)


def close(repository: Repository) -> Repository:
    """Let only members see the repository."""
    private = repos.Settings(visibility="private")
    return repos.change_settings(actor=SYSTEM, repository=repository, change=private)


class TestRequireDiscuss:
    def test_lets_in_who_reads(self, users: dict[str, User], repository: Repository) -> None:
        policies.require_discuss(Principal(user=users["stranger"]), repository)
        with pytest.raises(Unauthenticated):
            policies.require_discuss(ANONYMOUS, repository)
        with pytest.raises(RepositoryNotFound):
            policies.require_discuss(Principal(user=users["stranger"]), close(repository))

    def test_lets_nobody_in_where_discussions_are_off(
        self, users: dict[str, User], repository: Repository
    ) -> None:
        off = repos.Settings(discussions_disabled=True)
        closed = repos.change_settings(actor=SYSTEM, repository=repository, change=off)
        with pytest.raises(DiscussionsDisabled):
            policies.require_discuss(Principal(user=users["writer"]), closed)


class TestModeration:
    @pytest.mark.parametrize(
        ("who", "expected"), [("author", True), ("writer", True), ("reader", False), ("stranger", False)]
    )
    def test_is_for_the_author_and_for_writers(
        self, users: dict[str, User], thread: Discussion, who: str, expected: bool
    ) -> None:
        actor = Principal(user=users[who])
        assert policies.can_moderate(actor, thread) is expected
        for require in (policies.require_moderate, policies.require_push):
            if expected:
                require(actor, thread)
            else:
                with pytest.raises(DiscussionDenied, match="acme/thing"):
                    require(actor, thread)

    def test_is_for_persons(self, thread: Discussion) -> None:
        assert policies.can_moderate(ANONYMOUS, thread) is False
        assert policies.can_moderate(SYSTEM, thread) is False
        with pytest.raises(Unauthenticated):
            policies.require_moderate(ANONYMOUS, thread)

    def test_ends_for_an_author_who_no_longer_sees_it(
        self, users: dict[str, User], repository: Repository, thread: Discussion
    ) -> None:
        close(repository)
        thread = Discussion.objects.get(pk=thread.pk)
        assert policies.can_moderate(Principal(user=users["author"]), thread) is False
        assert policies.can_moderate(Principal(user=users["writer"]), thread) is True

    def test_needs_a_token_that_writes_there(self, users: dict[str, User], thread: Discussion) -> None:
        author, acme = users["author"], thread.repository.namespace
        assert policies.can_moderate(through_token(author, "write"), thread) is True
        assert policies.can_moderate(through_token(author, "read"), thread) is False
        for namespace, can_write, expected in (
            (acme, True, True),
            (acme, False, False),
            (author.namespace, True, False),
        ):
            actor = through_token(author, "write", grants=[(namespace, can_write)])
            assert policies.can_moderate(actor, thread) is expected


class TestComments:
    @pytest.mark.parametrize(
        ("who", "edits", "hides"),
        [("author", True, True), ("writer", False, True), ("reader", False, False)],
    )
    def test_are_edited_by_their_authors_and_hidden_by_writers_too(
        self, users: dict[str, User], comment: DiscussionEvent, who: str, edits: bool, hides: bool
    ) -> None:
        actor = Principal(user=users[who])
        for require, expected in ((policies.require_edit, edits), (policies.require_hide, hides)):
            if expected:
                require(actor, comment)
            else:
                with pytest.raises(DiscussionDenied, match="acme/thing"):
                    require(actor, comment)

    def test_of_a_hidden_repository_are_not_found(
        self, users: dict[str, User], repository: Repository, comment: DiscussionEvent
    ) -> None:
        close(repository)
        comment = DiscussionEvent.objects.get(pk=comment.pk)
        for require in (policies.require_edit, policies.require_hide):
            with pytest.raises(RepositoryNotFound):
                require(Principal(user=users["author"]), comment)

    def test_are_not_touched_by_a_token_that_only_reads(
        self, users: dict[str, User], comment: DiscussionEvent
    ) -> None:
        for require in (policies.require_edit, policies.require_hide):
            with pytest.raises(RepositoryDenied):
                require(through_token(users["author"], "read"), comment)


class TestCollections:
    @pytest.fixture
    def shown(self, users: dict[str, User]) -> dict[str, Collection]:
        def made(title: str, *, is_private: bool) -> Collection:
            new = collections.NewCollection(namespace="acme", title=title, is_private=is_private)
            return collections.create_collection(actor=Principal(user=users["writer"]), request=new, now=NOW)

        return {"public": made("Open", is_private=False), "private": made("Closed", is_private=True)}

    def readable(self, actor: Principal) -> set[str]:
        found = Collection.objects.filter(policies.collections_readable_by(actor))
        return {"private" if each.is_private else "public" for each in found}

    def test_are_read_by_members_or_by_all(
        self, users: dict[str, User], shown: dict[str, Collection]
    ) -> None:
        both = {"public", "private"}
        assert self.readable(SYSTEM) == both
        assert self.readable(ANONYMOUS) == {"public"}
        assert self.readable(Principal(user=users["stranger"])) == {"public"}
        assert self.readable(Principal(user=users["reader"])) == both

    def test_are_read_by_tokens_that_reach_their_namespace(
        self, users: dict[str, User], shown: dict[str, Collection]
    ) -> None:
        reader, acme = users["reader"], shown["public"].namespace
        assert self.readable(through_token(reader, "read")) == {"public", "private"}
        assert self.readable(through_token(reader, "trade")) == {"public"}
        assert self.readable(through_token(reader, "read", grants=[(acme, False)])) == {"public", "private"}
        assert self.readable(through_token(reader, "read", grants=[(reader.namespace, False)])) == {"public"}

    @pytest.mark.parametrize(
        ("who", "refusals"),
        [
            ("writer", {"public": None, "private": None}),
            ("reader", {"public": NamespaceDenied, "private": NamespaceDenied}),
            ("stranger", {"public": NamespaceDenied, "private": CollectionNotFound}),
        ],
    )
    def test_are_changed_by_writers_and_hidden_from_strangers(
        self,
        users: dict[str, User],
        shown: dict[str, Collection],
        who: str,
        refusals: dict[str, type[Exception] | None],
    ) -> None:
        actor = Principal(user=users[who])
        for kind, refusal in refusals.items():
            assert policies.can_change_collection(actor, shown[kind]) is (refusal is None)
            if refusal is None:
                policies.require_change_collection(actor, shown[kind])
            else:
                with pytest.raises(refusal):
                    policies.require_change_collection(actor, shown[kind])

    def test_of_a_namespace_are_not_hidden_from_a_token_that_only_reads(
        self, users: dict[str, User], shown: dict[str, Collection]
    ) -> None:
        with pytest.raises(ScopeMissing):
            policies.require_change_collection(through_token(users["writer"], "read"), shown["private"])


class TestRequirePersonal:
    def test_is_a_session_or_a_whole_token_that_writes(self, users: dict[str, User]) -> None:
        ada = users["author"]
        policies.require_personal(Principal(user=ada))
        policies.require_personal(through_token(ada, "write"))
        granted: Iterable[tuple[Namespace, bool]] = [(ada.namespace, True)]
        with pytest.raises(Unauthenticated):
            policies.require_personal(ANONYMOUS)
        with pytest.raises(ScopeMissing):
            policies.require_personal(through_token(ada, "read"))
        with pytest.raises(Denied, match="fine-grained"):
            policies.require_personal(through_token(ada, "write", grants=granted))
