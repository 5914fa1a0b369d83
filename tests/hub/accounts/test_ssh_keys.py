"""Keys that log people in: what is taken, whose they are, and who may add them."""

from __future__ import annotations

import base64
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.test import Client

from hub.accounts import selectors, services, ssh_keys
from hub.accounts.errors import ScopeMissing, SshKeyInvalid, SshKeyNotFound, SshKeyTaken
from hub.accounts.models import AccessToken
from hub.accounts.principals import Principal
from tests.factories import hub as factories
from tests.servers import ports

NOW = datetime(2026, 7, 1, tzinfo=UTC)


def blob(*fields: bytes) -> str:
    return base64.b64encode(b"".join(len(field).to_bytes(4, "big") + field for field in fields)).decode()


ED25519 = f"ssh-ed25519 {blob(b'ssh-ed25519', bytes(range(32)))} laptop"


class TestParsing:
    @pytest.mark.parametrize("kind", [("ed25519",), ("ecdsa", "-b", "384"), ("rsa", "-b", "2048")])
    def test_knows_a_key_as_ssh_keygen_does(self, kind: tuple[str, ...], tmp_path: Path) -> None:
        keygen = ports.require_tool("ssh-keygen")
        path = tmp_path / "key"
        subprocess.run([keygen, "-q", "-N", "", "-C", "mine", "-f", path, "-t", *kind], check=True)
        public = path.with_suffix(".pub")
        shown = subprocess.run(
            [keygen, "-l", "-f", public], capture_output=True, text=True, check=True
        ).stdout
        key = ssh_keys.parse(public.read_text())
        assert key.fingerprint == shown.split()[1]
        assert key.comment == "mine"

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "ssh-ed25519",
            "ssh-ed25519 !!!!",
            f"ssh-dss {blob(b'ssh-dss', b'x')}",
            f"ssh-ed25519 {blob(b'ssh-rsa', b'x')}",
            f"ssh-ed25519 {blob(b'ssh-ed25519', bytes(32))[:-8]}",
            f"ssh-rsa {blob(b'ssh-rsa', bytes([1, 0, 1]), bytes([128]) + bytes(127))}",
            ED25519 + "\n" + ED25519,
            "-----BEGIN OPENSSH PRIVATE KEY-----",
            f"command=true {ED25519}",
        ],
    )
    def test_refuses_what_is_no_usable_key(self, text: str) -> None:
        with pytest.raises(SshKeyInvalid):
            ssh_keys.parse(text)


@pytest.mark.django_db
class TestKeys:
    def test_belong_to_one_account_and_open_it_until_removed(self) -> None:
        ada, bob = (Principal(user=factories.user()) for _ in range(2))
        key = services.add_ssh_key(actor=ada, text=ED25519)
        assert (key.name, key.kind) == ("laptop", "ssh-ed25519")
        found = selectors.principal_for_ssh_key(key.fingerprint)
        assert found is not None
        assert found.user == ada.user
        with pytest.raises(SshKeyTaken):
            services.add_ssh_key(actor=bob, text=ED25519)
        with pytest.raises(SshKeyNotFound):
            services.remove_ssh_key(actor=bob, key_id=key.pk)
        services.remove_ssh_key(actor=ada, key_id=key.pk)
        assert selectors.principal_for_ssh_key(key.fingerprint) is None

    def test_are_used_once_somebody_has_proved_to_have_them(self) -> None:
        """Public keys are no secret: offering one must not change when its owner seems to have used it."""
        ada = Principal(user=factories.user())
        key = services.add_ssh_key(actor=ada, text=ED25519)
        selectors.principal_for_ssh_key(key.fingerprint)
        for fingerprint in (key.fingerprint, "SHA256:nobody"):
            services.note_ssh_key_used(fingerprint, now=NOW)
        services.note_ssh_key_used(key.fingerprint, now=NOW + timedelta(minutes=1))
        key.refresh_from_db()
        assert key.last_used_at == NOW
        services.note_ssh_key_used(key.fingerprint, now=NOW + timedelta(hours=2))
        key.refresh_from_db()
        assert key.last_used_at == NOW + timedelta(hours=2)

    def test_of_who_is_not_active_open_nothing(self) -> None:
        ada = Principal(user=factories.user())
        key = services.add_ssh_key(actor=ada, text=ED25519)
        assert ada.user is not None
        ada.user.is_active = False
        ada.user.save()
        assert selectors.principal_for_ssh_key(key.fingerprint) is None

    @pytest.mark.parametrize("scopes", [["read"], ["write"], ["trade"]])
    def test_are_not_added_by_a_token_that_reaches_less(self, scopes: list[str]) -> None:
        user = factories.user()
        actor = Principal(user=user, token=AccessToken(user=user, scopes=scopes))
        with pytest.raises(ScopeMissing):
            services.add_ssh_key(actor=actor, text=ED25519)

    def test_have_a_page(self, client: Client) -> None:
        user = factories.user()
        client.force_login(user)
        refused = client.post("/settings/ssh-keys", {"text": "nonsense"})
        assert refused.status_code == 422
        assert client.post("/settings/ssh-keys", {"text": ED25519}).status_code == 302
        page = client.get("/settings/ssh-keys").content.decode()
        key = user.ssh_keys.get()
        assert key.fingerprint in page
        assert client.post(f"/settings/ssh-keys/{key.pk}/remove").status_code == 302
        assert not user.ssh_keys.exists()
