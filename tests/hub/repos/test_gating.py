from __future__ import annotations

import pytest

from foundation.errors import Invalid, Unauthenticated
from hub.accounts.principals import ANONYMOUS, Principal
from hub.repos import gating, policies, selectors
from hub.repos.errors import AccessRequestHandled, AccessRequestNotFound, NotGated, RepositoryDenied
from hub.repos.models import AccessRequest, Repository
from tests.factories import hub as make
from tests.factories.hub import NOW

pytestmark = pytest.mark.django_db
Status = AccessRequest.Status


@pytest.fixture
def ada() -> Principal:
    return make.actor("ada")


@pytest.fixture
def bob() -> Principal:
    return make.actor("bob")


@pytest.fixture
def gated(ada: Principal) -> Repository:
    return make.repository(ada, "gated", gating="manual")


def ask(actor: Principal, repository: Repository, **fields: str) -> AccessRequest:
    return gating.ask_access(actor=actor, repository=repository, fields=fields, now=NOW)


class TestAsking:
    def test_waits_for_a_person_or_is_granted_at_once(self, ada: Principal, bob: Principal) -> None:
        manual = ask(bob, make.repository(ada, gating="manual"))
        auto = ask(bob, make.repository(ada, gating="auto"))
        assert (manual.status, auto.status) == (Status.PENDING, Status.ACCEPTED)

    def test_again_changes_nothing(self, bob: Principal, gated: Repository) -> None:
        first = ask(bob, gated, why="science")
        again = ask(bob, gated, why="fame")
        assert (again.pk, again.fields) == (first.pk, {"why": "science"})

    def test_needs_somebody_a_gate_and_short_answers(
        self, ada: Principal, bob: Principal, gated: Repository
    ) -> None:
        with pytest.raises(Unauthenticated):
            ask(ANONYMOUS, gated)
        with pytest.raises(NotGated):
            ask(bob, make.repository(ada))
        with pytest.raises(Invalid):
            ask(bob, gated, why="x" * 20_001)


class TestHandling:
    def test_is_for_those_who_write(self, bob: Principal, gated: Repository) -> None:
        ask(bob, gated)
        with pytest.raises(RepositoryDenied):
            gating.handle_access_request(
                actor=bob, repository=gated, user=bob.user, status="accepted", now=NOW
            )
        with pytest.raises(RepositoryDenied):
            selectors.access_requests(actor=bob, repository=gated)

    def test_needs_a_request_with_another_status(
        self, ada: Principal, bob: Principal, gated: Repository
    ) -> None:
        def handle(status: str, **who: object) -> None:
            gating.handle_access_request(
                actor=ada,
                repository=gated,
                status=status,
                now=NOW,
                **who,
            )

        with pytest.raises(AccessRequestNotFound):
            handle("accepted", user=bob.user)
        request = ask(bob, gated)
        with pytest.raises(AccessRequestHandled):
            handle("pending", user=bob.user)
        with pytest.raises(Invalid):
            handle("perhaps", user=bob.user)
        handle("accepted", request_id=request.pk)
        accepted = selectors.access_requests(actor=ada, repository=gated, status="accepted")
        assert [found.user for found in accepted] == [bob.user]

    def test_never_touches_another_repositorys_request(
        self, ada: Principal, bob: Principal, gated: Repository
    ) -> None:
        other = ask(bob, make.repository(make.actor("carl"), gating="manual"))
        with pytest.raises(AccessRequestNotFound):
            gating.handle_access_request(
                actor=ada, repository=gated, request_id=other.pk, status="accepted", now=NOW
            )


class TestGranting:
    def test_lets_in_who_has_not_asked_and_who_was_rejected(
        self, ada: Principal, bob: Principal, gated: Repository
    ) -> None:
        carl = make.actor("carl")
        assert bob.user is not None
        assert carl.user is not None
        ask(carl, gated)
        gating.handle_access_request(
            actor=ada, repository=gated, user=carl.user, status="rejected", reason="No", now=NOW
        )
        for actor in (bob, carl):
            assert actor.user is not None
            gating.grant_access(actor=ada, repository=gated, user=actor.user, now=NOW)
            policies.require_content(actor, gated)
        with pytest.raises(AccessRequestHandled):
            gating.grant_access(actor=ada, repository=gated, user=bob.user, now=NOW)
