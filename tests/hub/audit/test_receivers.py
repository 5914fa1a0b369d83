"""Each action is in the audit log, with its actor."""

import ast
import re
from pathlib import Path

import pytest
from django.db import transaction

from hub.accounts import services as accounts
from hub.accounts.models import AccessToken, Role
from hub.audit.models import AuditEntry
from hub.audit.recording import NotInTransaction, record
from hub.repos import services as repos
from tests.factories import hub

pytestmark = pytest.mark.django_db


def newest() -> AuditEntry:
    return AuditEntry.objects.latest("id")


def test_the_page_lists_every_action() -> None:
    root = Path(__file__).parents[3]
    described = re.findall(r"^\| `(\w+)` \| ", (root / "docs/operate/audit.md").read_text(), re.MULTILINE)
    written = {
        node.value
        for house in ("hub", "compute_market")
        for path in (root / house).rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") in {"record", "record_audit"}
        for word in call.keywords
        if word.arg == "action"
        for node in ast.walk(word.value)
        if isinstance(node, ast.Constant)
    }
    # Their callers choose among these.
    chosen = {
        "market_deposited",
        "market_withdrawn",
        "market_bond_released",
        "market_halted",
        "market_resumed",
        "operator_changed",
        "operator_deleted",
    }
    assert set(described) == written | chosen
    assert len(set(described)) == len(described)


class TestRepositories:
    def test_a_deleted_repository_is_logged_with_its_deleter(self) -> None:
        alice = hub.actor("alice")
        repository = hub.repository(alice, "bert")
        repos.delete_repository(actor=alice, repository=repository, now=hub.NOW)
        assert (newest().actor, newest().action) == ("alice", "repository_deleted")
        assert newest().subject == "model alice/bert"

    def test_a_creation_says_who_could_see_it(self) -> None:
        hub.repository(hub.actor("alice"), "bert", visibility="private")
        assert newest().action == "repository_created"
        assert newest().details == {"visibility": "private"}


class TestAccounts:
    def test_members_and_their_roles_are_logged(self) -> None:
        alice, bob = hub.actor("alice"), hub.user("bob")
        lab = hub.organization("lab", {alice.user: Role.ADMIN} if alice.user else {})
        accounts.set_member(actor=alice, organization=lab, user=bob, role=Role.WRITE)
        assert (newest().actor, newest().details) == ("alice", {"user": "bob", "role": "write"})
        accounts.remove_member(actor=alice, organization=lab, user=bob)
        assert (newest().action, newest().subject) == ("member_removed", "organization lab")

    def test_a_token_is_logged_by_its_label_and_never_by_its_text(self) -> None:
        alice = hub.actor("alice")
        token, text = accounts.create_token(actor=alice, name="laptop", scopes=[AccessToken.Scope.READ])
        assert newest().details == {"label": "laptop", "scopes": ["read"]}
        assert text not in str(newest().details)
        accounts.revoke_token(actor=alice, token_id=token.pk)
        assert newest().action == "token_revoked"


class TestRecord:
    def test_an_entry_falls_with_what_it_tells_of(self) -> None:
        before = AuditEntry.objects.count()
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            record(actor=None, action="tried", subject="this")
            raise ZeroDivisionError
        assert AuditEntry.objects.count() == before

    @pytest.mark.django_db(transaction=True)
    def test_refuses_to_write_outside_a_transaction(self) -> None:
        with pytest.raises(NotInTransaction):
            record(actor=None, action="tried", subject="this")
