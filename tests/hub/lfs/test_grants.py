from __future__ import annotations

import base64
from datetime import timedelta

import pytest

from hub.lfs import grants
from hub.lfs.errors import GrantRefused
from hub.lfs.grants import Action, Grant
from tests.factories.hub import NOW

OID = "ab" * 32
GRANT = Grant(
    action=Action.SEND,
    repository_id=7,
    oid=OID,
    size_bytes=12,
    expires_at=int((NOW + timedelta(hours=1)).timestamp()),
)


class TestRead:
    def test_gives_back_what_was_signed(self) -> None:
        assert grants.read(GRANT.sign(), action=Action.SEND, oid=OID, now=NOW) == GRANT

    def test_refuses_another_action(self) -> None:
        with pytest.raises(GrantRefused):
            grants.read(GRANT.sign(), action=Action.FETCH, oid=OID, now=NOW)

    def test_refuses_another_object(self) -> None:
        with pytest.raises(GrantRefused):
            grants.read(GRANT.sign(), action=Action.SEND, oid="cd" * 32, now=NOW)

    def test_refuses_it_after_its_time(self) -> None:
        with pytest.raises(GrantRefused):
            grants.read(GRANT.sign(), action=Action.SEND, oid=OID, now=NOW + timedelta(hours=2))

    def test_refuses_an_altered_one(self) -> None:
        body, signature = GRANT.sign().rsplit(":", 1)
        altered = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)).replace(b",7,", b",8,")
        text = base64.urlsafe_b64encode(altered).decode().rstrip("=")
        with pytest.raises(GrantRefused):
            grants.read(f"{text}:{signature}", action=Action.SEND, oid=OID, now=NOW)

    @pytest.mark.parametrize("text", ["", "x", "a:b", "é", "AAAA:" + "A" * 43])
    def test_refuses_what_was_never_signed(self, text: str) -> None:
        with pytest.raises(GrantRefused):
            grants.read(text, action=Action.SEND, oid=OID, now=NOW)
