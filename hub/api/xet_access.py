"""Access to the Xet store for clients: its address, and a token in the headers that clients read."""

from __future__ import annotations

from urllib.parse import quote

from django.http import HttpRequest

from foundation import addresses
from hub.repos.kinds import PLURAL_OF
from hub.repos.models import Repository
from hub.xet import selectors
from hub.xet.tokens import IssuedToken


def store_url(request: HttpRequest) -> str:
    """The address of the Xet store, without a slash at its end. It has another number in each generation."""
    number = selectors.generation()
    return addresses.absolute(request, f"/xet/cas-{number}" if number else "/xet")


def write_token_url(request: HttpRequest, repository: Repository, branch: str) -> str:
    """The address at which a client that commits to a branch asks for its next write token."""
    plural = PLURAL_OF[repository.kind]
    path = f"/api/{plural}/{repository.full_name}/xet-write-token/{quote(branch, safe='')}"
    return addresses.absolute(request, path)


def access_headers(token: IssuedToken, store: str) -> dict[str, str]:
    """Header name → value. The expiration is in Unix seconds."""
    return {
        "X-Xet-Cas-Url": store,
        "X-Xet-Access-Token": token.text,
        "X-Xet-Token-Expiration": str(int(token.expires_at.timestamp())),
    }
