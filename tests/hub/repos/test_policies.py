"""Rights as one table. Lists, look-ups and single questions give the same result."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from foundation.errors import Unauthenticated
from hub.accounts import selectors as accounts
from hub.accounts import services as account_services
from hub.accounts.models import Role, User
from hub.accounts.principals import ANONYMOUS, SYSTEM, Principal
from hub.accounts.services import Grant
from hub.repos import gating, policies, selectors, services
from hub.repos.errors import (
    RepositoryArchived,
    RepositoryDenied,
    RepositoryDisabled,
    RepositoryGated,
    RepositoryNotFound,
)
from hub.repos.models import AccessRequest, Repository
from tests.factories import hub as make
from tests.factories.hub import NOW

pytestmark = pytest.mark.django_db

AssertQueries = Callable[[int], AbstractContextManager[object]]

# s: sees it   f: fetches files   w: writes   m: manages
TABLE = """
    who           public  private  gated
    nobody        sf      -        s
    stranger      sf      -        s
    reader        sf      sf       sf
    contributor   sf      sf       sf
    maker         sfw     sfw      sfw
    writer        sfw     sfw      sfw
    boss          sfwm    sfwm     sfwm
    guest_read    sf      sf       sf
    guest_write   sfw     sfw      sfw
    system        sfwm    sfwm     sfwm
"""
ROLES = {
    "reader": Role.READ,
    "contributor": Role.CONTRIBUTOR,
    "maker": Role.CONTRIBUTOR,
    "writer": Role.WRITE,
    "boss": Role.ADMIN,
}


def rows() -> list[tuple[str, str, str]]:
    head, *lines = (line.split() for line in TABLE.strip().splitlines())
    return [
        (who, kind, "" if cell == "-" else cell)
        for who, *cells in lines
        for kind, cell in zip(head[1:], cells, strict=True)
    ]


def repository_of(kind: str, users: dict[str, User], *, called: str = "") -> Repository:
    """Made by `maker`, who is only a contributor of the organization."""
    made = make.repository(
        Principal(user=users["maker"]),
        called or kind,
        namespace="acme",
        visibility="private" if kind == "private" else "public",
        gating="manual" if kind == "gated" else "",
    )
    for name, role in (("guest_read", Role.READ), ("guest_write", Role.WRITE)):
        services.set_collaborator(actor=SYSTEM, repository=made, user=users[name], role=role)
    return made


@pytest.fixture
def users() -> dict[str, User]:
    names = [*ROLES, "stranger", "guest_read", "guest_write"]
    made = {name: make.user(name) for name in names}
    make.organization("acme", {made[name]: role for name, role in ROLES.items()})
    return made


def principal(who: str, users: dict[str, User]) -> Principal:
    return {"nobody": ANONYMOUS, "system": SYSTEM}.get(who) or Principal(user=users[who])


def may(actor: Principal, repository: Repository) -> str:
    def fetches() -> bool:
        try:
            policies.require_content(actor, repository)
        except (RepositoryNotFound, RepositoryGated):
            return False
        return True

    answers = {
        "s": policies.can_see(actor, repository),
        "f": fetches(),
        "w": policies.can_write(actor, repository),
        "m": policies.can_manage(actor, repository),
    }
    return "".join(letter for letter, holds in answers.items() if holds)


class TestTheTable:
    @pytest.mark.parametrize(("who", "kind", "cell"), rows())
    def test_holds_for_single_questions_lists_and_look_ups(
        self, users: dict[str, User], who: str, kind: str, cell: str
    ) -> None:
        repository = repository_of(kind, users)
        actor = principal(who, users)
        assert may(actor, repository) == cell
        assert (repository in selectors.repositories(actor=actor)) == ("s" in cell)
        through = Repository.objects.filter(policies.content_readable_by(actor))
        assert (repository in through) == ("f" in cell)
        if "s" in cell:
            found = selectors.get_repository(actor=actor, kind="model", repo_id=repository.full_name)
            assert found == repository
        else:
            with pytest.raises(RepositoryNotFound):
                selectors.get_repository(actor=actor, kind="model", repo_id=repository.full_name)

    def test_the_hidden_and_the_missing_are_refused_in_the_same_words(self, users: dict[str, User]) -> None:
        repository_of("private", users)
        refusals = []
        for repo_id in ("acme/private", "acme/missing", "nobody/nothing"):
            with pytest.raises(RepositoryNotFound) as refused:
                selectors.get_repository(
                    actor=Principal(user=users["stranger"]), kind="model", repo_id=repo_id
                )
            refusals.append(str(refused.value).replace(repo_id, "…"))
        assert len(set(refusals)) == 1


class TestTokens:
    def with_token(self, user: User, *scopes: str, grants: list[Grant] | None = None) -> Principal:
        _, secret = account_services.create_token(
            actor=Principal(user=user), name="t", scopes=scopes, grants=grants or []
        )
        return accounts.principal_for_token(secret, now=NOW)

    def test_that_only_read_or_trade_do_not_write(self, users: dict[str, User]) -> None:
        repository = repository_of("private", users)
        assert may(self.with_token(users["boss"], "write"), repository) == "sfwm"
        assert may(self.with_token(users["boss"], "read"), repository) == "sf"
        assert may(self.with_token(users["boss"], "trade"), repository) == ""

    def test_that_are_fine_grained_reach_what_they_name(self, users: dict[str, User]) -> None:
        named, other = repository_of("private", users), repository_of("gated", users)
        boss = users["boss"]
        one = self.with_token(boss, "write", grants=[Grant(named.namespace_id, named.pk, can_write=True)])
        assert (may(one, named), may(one, other)) == ("sfwm", "s")
        assert list(Repository.objects.filter(policies.content_readable_by(one))) == [named]
        assert set(selectors.repositories(actor=one)) == {named, other}
        whole = self.with_token(boss, "write", grants=[Grant(named.namespace_id)])
        assert (may(whole, named), may(whole, other)) == ("sf", "sf")
        elsewhere = self.with_token(boss, "write", grants=[Grant(boss.namespace_id, can_write=True)])
        assert may(elsewhere, named) == ""
        assert named not in selectors.repositories(actor=elsewhere)


class TestClosing:
    def test_an_archived_one_is_read_not_written(self, users: dict[str, User]) -> None:
        boss = Principal(user=users["boss"])
        change = services.Settings(is_archived=True)
        archived = services.change_settings(
            actor=boss, repository=repository_of("public", users), change=change
        )
        policies.require_content(ANONYMOUS, archived)
        with pytest.raises(RepositoryArchived):
            policies.require_write(boss, archived)

    def test_a_disabled_one_is_neither(self, users: dict[str, User]) -> None:
        repository = repository_of("public", users)
        make.set_disabled(repository, is_disabled=True)
        repository.refresh_from_db()
        boss = Principal(user=users["boss"])
        for refused in (policies.require_content, policies.require_write):
            with pytest.raises(RepositoryDisabled):
                refused(boss, repository)


class TestGates:
    def why(self, actor: Principal, repository: Repository) -> str:
        with pytest.raises(RepositoryGated) as refused:
            policies.require_content(actor, repository)
        return str(refused.value.details["why"])

    def test_say_why_they_are_closed_and_open_when_accepted(self, users: dict[str, User]) -> None:
        repository = repository_of("gated", users)
        stranger, boss = Principal(user=users["stranger"]), Principal(user=users["boss"])
        assert self.why(ANONYMOUS, repository) == "anonymous"
        assert self.why(stranger, repository) == "not_asked"
        gating.ask_access(actor=stranger, repository=repository, fields={}, now=NOW)
        assert self.why(stranger, repository) == "pending"

        def handle(status: str) -> None:
            gating.handle_access_request(
                actor=boss, repository=repository, user=users["stranger"], status=status, now=NOW
            )

        handle("rejected")
        assert self.why(stranger, repository) == "rejected"
        handle("accepted")
        policies.require_content(stranger, repository)
        handle("pending")
        assert self.why(stranger, repository) == "pending"

    def test_stay_closed_to_a_token_that_does_not_read(self, users: dict[str, User]) -> None:
        gated, stranger = repository_of("gated", users), users["stranger"]
        AccessRequest.objects.create(repository=gated, user=stranger, status=AccessRequest.Status.ACCEPTED)
        for scope, opens in (("read", True), ("trade", False)):
            _, secret = account_services.create_token(
                actor=Principal(user=stranger), name=scope, scopes=[scope]
            )
            actor = accounts.principal_for_token(secret, now=NOW)
            through = Repository.objects.filter(policies.content_readable_by(actor))
            assert (gated in through) is opens
            assert policies.can_fetch(actor, gated) is opens


class TestRequireRole:
    def test_says_what_is_missing_and_hides_what_is_hidden(self, users: dict[str, User]) -> None:
        public, private = repository_of("public", users), repository_of("private", users)
        reader, stranger = Principal(user=users["reader"]), Principal(user=users["stranger"])
        policies.require_role(Principal(user=users["writer"]), public, Role.WRITE)
        with pytest.raises(RepositoryDenied, match="acme/public"):
            policies.require_role(reader, public, Role.WRITE)
        with pytest.raises(Unauthenticated):
            policies.require_role(ANONYMOUS, public, Role.READ)
        for actor in (ANONYMOUS, stranger):
            with pytest.raises(RepositoryNotFound) as hidden:
                policies.require_role(actor, private, Role.READ)
            assert hidden.value.details["repo_id"] == "acme/private"
        with pytest.raises(RepositoryDenied):
            policies.require_role(reader, private, Role.ADMIN)

    def test_is_asked_of_those_who_write(self, users: dict[str, User]) -> None:
        public = repository_of("public", users)
        policies.require_write(Principal(user=users["writer"]), public)
        with pytest.raises(RepositoryDenied):
            policies.require_write(Principal(user=users["reader"]), public)
        with pytest.raises(Unauthenticated):
            policies.require_write(ANONYMOUS, public)


class TestRequirePropose:
    @pytest.mark.parametrize("require", [policies.require_propose, policies.require_bring])
    def test_is_for_who_reads_the_content(
        self, users: dict[str, User], require: Callable[[Principal, Repository], None]
    ) -> None:
        stranger = Principal(user=users["stranger"])
        require(stranger, repository_of("public", users))
        require(Principal(user=users["reader"]), repository_of("private", users))
        with pytest.raises(Unauthenticated):
            require(ANONYMOUS, repository_of("public", users, called="other"))
        with pytest.raises(RepositoryGated):
            require(stranger, repository_of("gated", users))
        with pytest.raises(RepositoryNotFound):
            require(stranger, repository_of("private", users, called="hidden"))

    def test_needs_a_token_that_writes(self, users: dict[str, User]) -> None:
        public = repository_of("public", users)
        for scope, passes in (("write", True), ("read", False)):
            _, secret = account_services.create_token(
                actor=Principal(user=users["stranger"]), name=scope, scopes=[scope]
            )
            actor = accounts.principal_for_token(secret, now=NOW)
            if passes:
                policies.require_propose(actor, public)
            else:
                with pytest.raises(RepositoryDenied, match="acme/public"):
                    policies.require_propose(actor, public)

    def test_ends_when_the_repository_is_archived_or_disabled(self, users: dict[str, User]) -> None:
        stranger, public = Principal(user=users["stranger"]), repository_of("public", users)
        public.is_archived = True
        with pytest.raises(RepositoryArchived):
            policies.require_propose(stranger, public)
        with pytest.raises(RepositoryArchived):
            policies.require_bring(Principal(user=users["boss"]), public)
        public.is_archived, public.is_disabled = False, True
        with pytest.raises(RepositoryDisabled):
            policies.require_propose(stranger, public)


class TestRequireChangeable:
    def test_refuses_what_is_deleted_first(self, users: dict[str, User]) -> None:
        public = repository_of("public", users)
        policies.require_changeable(public)
        public.is_disabled = public.is_archived = True
        with pytest.raises(RepositoryDisabled):
            policies.require_changeable(public)
        public.deleted_at = NOW
        with pytest.raises(RepositoryNotFound):
            policies.require_changeable(public)


class TestFetching:
    @pytest.mark.parametrize(("who", "kind", "cell"), rows())
    def test_is_answered_alike_for_one_and_for_many(
        self, users: dict[str, User], who: str, kind: str, cell: str
    ) -> None:
        repository, other = repository_of(kind, users), repository_of(kind, users, called="other")
        actor = principal(who, users)
        assert policies.can_fetch(actor, repository) is ("f" in cell)
        if "s" in cell:
            expected = {repository.pk, other.pk} if "f" in cell else set()
            assert policies.fetchable(actor, [repository, other]) == expected

    def test_of_none_is_none_and_asks_nothing(self, django_assert_num_queries: AssertQueries) -> None:
        with django_assert_num_queries(0):
            assert policies.fetchable(ANONYMOUS, []) == set()

    def test_of_a_disabled_one_is_for_the_operator(self, users: dict[str, User]) -> None:
        public, disabled = repository_of("public", users), repository_of("gated", users)
        Repository.objects.filter(pk=disabled.pk).update(is_disabled=True, gating="")
        disabled.refresh_from_db()
        both, boss = [public, disabled], Principal(user=users["boss"])
        assert policies.fetchable(boss, both) == {public.pk}
        assert policies.fetchable(SYSTEM, both) == {public.pk, disabled.pk}
        assert (policies.can_fetch(boss, disabled), policies.can_fetch(SYSTEM, disabled)) == (False, True)
        with pytest.raises(RepositoryDisabled):
            policies.require_open(boss, disabled)
        policies.require_open(SYSTEM, disabled)
