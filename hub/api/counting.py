"""Telling the download counters who fetched what: every door that hands out content calls this."""

from __future__ import annotations

import hashlib
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

from foundation.callers import address_of
from hub.accounts.principals import Principal
from hub.api.authentication import principal_of
from hub.downloads import buffer
from hub.repos.models import Repository

# Fetches that count as downloads: a person follows a link, or a script of another site fetches a file.
FETCHED_BY_A_PERSON, FETCHED_BY_A_SCRIPT = "document", "empty"


def count_download(request: HttpRequest, repository: Repository) -> None:
    """Count one request for content. HEAD requests and files that a page shows do not count."""
    if is_part_of_a_page(request):
        return
    requester = requester_of(request, principal_of(request))
    buffer.add(repository_id=repository.pk, requester=requester, now=timezone.now())


def requester_of(request: HttpRequest, actor: Principal) -> str:
    """A name for one requester: the user, else a keyed hash of the address (addresses are not kept)."""
    if actor.user_id is not None:
        return f"u{actor.user_id}"
    digest = hashlib.blake2b(
        address_of(request).encode(), key=settings.SECRET_KEY.encode()[:64], digest_size=12
    )
    return f"a{digest.hexdigest()}"


def is_part_of_a_page(request: HttpRequest) -> bool:
    """True if a browser fetches this to show a page: an image in a card, or data for a script of our pages.

    Browsers say so in `Sec-Fetch-Dest` and `Sec-Fetch-Site`, which pages cannot forge. They leave both out
    over plain HTTP to a host that is not this machine. Then a request that our page caused, and that does not
    ask for a page, is taken for a part of it. Programs send none of these headers.
    """
    headers = request.headers
    destination = headers.get("Sec-Fetch-Dest")
    if destination == FETCHED_BY_A_PERSON:
        return False
    if destination == FETCHED_BY_A_SCRIPT:
        return headers.get("Sec-Fetch-Site") == "same-origin"
    if destination is not None:
        return True
    referer = headers.get("Referer", "")
    if not referer or "text/html" in headers.get("Accept", ""):
        return False
    try:
        return urlsplit(referer).netloc == request.get_host()
    except ValueError:
        return False
