"""The requester of content, as far as counting downloads needs it."""

from __future__ import annotations

import hashlib

from django.conf import settings
from django.http import HttpRequest

from foundation.callers import address_of
from hub.accounts.principals import Principal


def requester_of(request: HttpRequest, actor: Principal) -> str:
    """A name for one requester: the user, else a keyed hash of the address (addresses are not kept)."""
    if actor.user_id is not None:
        return f"u{actor.user_id}"
    digest = hashlib.blake2b(
        address_of(request).encode(), key=settings.SECRET_KEY.encode()[:64], digest_size=12
    )
    return f"a{digest.hexdigest()}"
