"""The chain of the audit log finds what was changed; the export says what is in it."""

from __future__ import annotations

import json
import socket
import threading
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.test import Client

from hub.accounts import services as accounts
from hub.accounts.errors import BadCredentials
from hub.accounts.models import AccessToken, Role, User
from hub.accounts.principals import Principal
from hub.audit import chain
from hub.audit.models import AuditEntry, AuditHead
from hub.audit.recording import record
from hub.repos import services as repos
from tests.factories import hub

pytestmark = pytest.mark.django_db


def write(count: int) -> None:
    with transaction.atomic():
        for number in range(count):
            record(actor=None, action="tried", subject=f"thing {number}", number=number, text="ä\n\u2028")


def audit(*words: str) -> str:
    out = StringIO()
    call_command("audit", *words, stdout=out, stderr=StringIO())
    return out.getvalue()


class TestChain:
    def test_is_whole_after_appending_in_parts(self) -> None:
        write(3)
        assert chain.append_new() == 3
        write(2)
        assert chain.append_new() == 2
        assert chain.append_new() == 0
        assert list(chain.problems()) == []
        assert list(AuditEntry.objects.sealed().values_list("position", flat=True)) == [1, 2, 3, 4, 5]

    def test_appends_all_in_bounded_parts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(chain, "AT_ONCE", 2)
        write(5)
        assert chain.append_new() == 5
        assert list(chain.problems()) == []

    @pytest.mark.parametrize(
        "changed",
        [
            {"actor": "mallory"},
            {"action": "slept"},
            {"subject": "nothing"},
            {"details": {"number": 2}},
            {"request_id": "x"},
            {"namespace_id": 9},
            {"digest": "0" * 64},
            {"at": hub.NOW},
        ],
    )
    def test_breaks_at_an_entry_that_was_changed(self, changed: dict[str, object]) -> None:
        write(4)
        chain.append_new()
        AuditEntry.objects.filter(position=2).update(**changed)
        assert "Entry 2 is not as it was written" in " ".join(chain.problems())

    def test_breaks_where_entries_were_removed(self) -> None:
        write(5)
        chain.append_new()
        AuditEntry.objects.filter(position__in=[2, 3]).delete()
        assert "Entries 2 to 3 are missing." in list(chain.problems())

    def test_breaks_where_its_end_was_cut_off(self) -> None:
        write(3)
        chain.append_new()
        AuditEntry.objects.filter(position=3).delete()
        assert list(chain.problems()) == ["The chain ends at entry 2; its end says 3."]

    def test_a_head_kept_elsewhere_finds_a_chain_that_was_computed_anew(self) -> None:
        write(3)
        chain.append_new()
        head = AuditHead.objects.get(pk=1)
        AuditEntry.objects.filter(position=2).update(subject="nothing")
        AuditEntry.objects.update(position=None, digest="")
        AuditHead.objects.all().delete()
        chain.append_new()
        assert list(chain.problems()) == []
        assert "Entry 3 has another digest" in " ".join(chain.problems({3: head.digest}))
        assert "Entry 9, whose digest was kept, is missing." in list(chain.problems({9: head.digest}))

    def test_is_whole_while_entries_are_appended(self, monkeypatch: pytest.MonkeyPatch) -> None:
        write(3)
        chain.append_new()
        head = chain._head

        def read_and_append() -> AuditHead:
            found = head()
            write(1)
            chain.append_new()
            return found

        monkeypatch.setattr(chain, "_head", read_and_append)
        assert list(chain.problems()) == []

    def test_breaks_where_an_entry_lies_after_its_end(self) -> None:
        write(3)
        chain.append_new()
        AuditHead.objects.update(position=2, digest=AuditEntry.objects.get(position=2).digest)
        assert list(chain.problems()) == ["Entry 3 lies after the end of the chain."]


class TestOperators:
    def test_acts_in_the_administration_are_in_the_log(self) -> None:
        operator, victim = hub.user("operator-1"), hub.user("victim-1")
        User.objects.filter(pk=operator.pk).update(is_staff=True, is_superuser=True)
        client = Client()
        client.force_login(User.objects.get(pk=operator.pk))
        address = f"/admin/accounts/user/{victim.pk}/change/"
        answer = client.post(address, {"is_active": "on", "is_superuser": "on", "email": "", "language": ""})
        assert answer.status_code == 302, answer.content
        entry = AuditEntry.objects.latest("id")
        assert (entry.actor, entry.action) == ("operator-1", "operator_changed")
        assert entry.details == {"fields": {"is_superuser": "True"}}
        assert entry.namespace_id == victim.namespace_id

    def test_a_repository_that_moves_is_in_the_log_of_both_namespaces(self) -> None:
        admin = hub.user("admin-1")
        acme = hub.organization("acme", {admin: Role.ADMIN})
        made = hub.repository(Principal(user=admin), "secret", namespace="acme")
        repos.move_repository(actor=Principal(user=admin), repository=made, to="admin-1/secret")
        moved = AuditEntry.objects.filter(action="repository_moved").order_by("namespace_id")
        assert {entry.namespace_id for entry in moved} == {acme.pk, admin.namespace_id}


class TestCommand:
    def test_says_that_the_log_is_whole_and_where_it_ends(self) -> None:
        write(2)
        said = audit("verify")
        head = AuditHead.objects.get(pk=1)
        assert f"whole. Its end: 2:{head.digest}" in said
        assert "whole" in audit("verify", "--head", str(head))

    def test_fails_and_names_the_break(self) -> None:
        write(2)
        chain.append_new()
        AuditEntry.objects.filter(position=1).update(actor="mallory")
        with pytest.raises(CommandError, match="not as it was written"):
            audit("verify")

    @pytest.mark.parametrize("head", ["", "1", "x:" + "0" * 64, "1:abc"])
    def test_refuses_a_head_that_is_none(self, head: str) -> None:
        with pytest.raises(CommandError, match="POSITION:DIGEST"):
            audit("verify", "--head", head)

    def test_exports_json_lines_that_go_on_where_the_last_ended(self, tmp_path: Path) -> None:
        write(3)
        file = tmp_path / "audit.jsonl"
        audit("export", "--to", str(file), "--after", "1")
        write(1)
        audit("export", "--to", str(file), "--after", "3")
        lines = [json.loads(line) for line in file.read_bytes().splitlines()]
        assert [line["position"] for line in lines] == [2, 3, 4]
        assert lines[0]["details"] == {"number": 1, "text": "ä\n\u2028"}

    def test_exports_to_a_syslog_server(self) -> None:
        write(2)
        received = bytearray()
        with socket.create_server(("127.0.0.1", 0)) as server:

            def receive() -> None:
                connection, _ = server.accept()
                with connection:
                    while part := connection.recv(65536):
                        received.extend(part)

            thread = threading.Thread(target=receive)
            thread.start()
            audit("export", "--to", f"tcp://127.0.0.1:{server.getsockname()[1]}")
            thread.join(timeout=30)
        length, _, rest = bytes(received).partition(b" ")
        message = rest[: int(length)].decode()
        assert message.startswith("<109>1 ")
        assert " model-bazaar - audit - {" in message
        assert json.loads(message[message.index("{") :])["position"] == 1
        assert rest[int(length) :].startswith(length)

    def test_says_where_to_go_on_when_nobody_listens(self) -> None:
        write(1)
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        with pytest.raises(CommandError, match="Go on with --after 0"):
            audit("export", "--to", f"tcp://127.0.0.1:{port}")


class TestSignIns:
    def test_are_in_the_log_with_the_address(self) -> None:
        hub.user("erin", password="a long enough word")
        accounts.sign_in(name="erin", password="a long enough word", address="192.0.2.7")
        entry = AuditEntry.objects.latest("id")
        assert (entry.actor, entry.action, entry.details) == ("erin", "signed_in", {"address": "192.0.2.7"})

    def test_that_fail_are_in_the_log_of_the_account(self) -> None:
        erin = hub.user("erin", password="a long enough word")
        with pytest.raises(BadCredentials):
            accounts.sign_in(name="Erin", password="another word", address="192.0.2.7")
        entry = AuditEntry.objects.latest("id")
        assert (entry.actor, entry.action, entry.subject) == ("", "sign_in_failed", "user erin")
        assert entry.namespace_id == erin.namespace_id

    def test_with_a_name_that_is_none_leave_no_entry(self) -> None:
        before = AuditEntry.objects.count()
        with pytest.raises(BadCredentials):
            accounts.sign_in(name="my-secret-word", password="another word", address="192.0.2.7")
        assert AuditEntry.objects.count() == before


class TestApi:
    def read(self, user: User | None, **query: object) -> list[str]:
        headers = hub.bearer(user, AccessToken.Scope.WRITE.value) if user is not None else {}
        chain.append_new()
        response = Client().get("/api/hub/v1/audit", query, headers=headers)
        assert response.status_code == (401 if user is None else 200), response.content
        return [item["subject"] for item in response.json().get("items", [])]

    def test_shows_admins_what_concerns_their_namespaces(self) -> None:
        admin, member, operator = hub.user("admin-1"), hub.user("member-1"), hub.user("operator-1")
        User.objects.filter(pk=operator.pk).update(is_staff=True)
        operator.refresh_from_db()
        hub.organization("lab", {admin: Role.ADMIN, member: Role.WRITE})
        hub.repository(Principal(user=admin), "bert", namespace="lab")
        assert "model lab/bert" in self.read(admin)
        assert "model lab/bert" not in self.read(member)
        assert "user member-1" in self.read(member)
        assert {"model lab/bert", "user member-1", "user admin-1"} <= set(self.read(operator))
        assert self.read(None) == []

    def test_goes_on_after_a_position(self) -> None:
        operator = hub.user("operator-1")
        User.objects.filter(pk=operator.pk).update(is_staff=True)
        operator.refresh_from_db()
        write(5)
        first = self.read(operator, limit=2)
        assert len(first) == 2
        last = AuditEntry.objects.sealed()[1].position
        assert last is not None
        assert self.read(operator, after=last, limit=1) != first[:1]
