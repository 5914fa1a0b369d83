"""Signed permission to send or fetch one object, for clients that send no credentials with it.

A grant names everything it is good for (action, repository, object, size, upload, part, end of
time) and is signed as a whole: an altered one is refused, a replayed one can only do the same again.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum

from django.core.signing import BadSignature, Signer

from hub.lfs.errors import GrantRefused

SALT = "hub.lfs.grants"


class Action(StrEnum):
    SEND = "send"
    SEND_PART = "part"
    COMPLETE = "complete"
    VERIFY = "verify"
    FETCH = "fetch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """The claim of a signed address, and the user it was given to. `expires_at` is in Unix seconds.

    The address is a claim, not a permission: the permission of that user (with that token) is checked at
    every use.
    """

    action: Action
    repository_id: int
    oid: str
    size_bytes: int
    expires_at: int
    user_id: int | None = None
    token_id: int | None = None
    upload_id: str = ""
    part: int = 0

    def sign(self) -> str:
        """Return the grant as text that is safe in a URL's query."""
        body = json.dumps(list(asdict(self).values()), separators=(",", ":")).encode()
        text = base64.urlsafe_b64encode(body).decode().rstrip("=")
        return Signer(salt=SALT).sign(text)


def read(text: str, *, action: Action, oid: str, now: datetime) -> Grant:
    """Return the grant that a query carries. Raises: GrantRefused."""
    try:
        body = Signer(salt=SALT).unsign(text)
        values = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        grant = Grant(**dict(zip(Grant.__slots__, values, strict=True)))
    except (BadSignature, binascii.Error, ValueError, TypeError):
        raise GrantRefused from None
    if grant.action != action or grant.oid != oid or grant.expires_at < now.timestamp():
        raise GrantRefused
    return grant
