"""A lease's port below the hub's own address: `/leases/17/ports/8888/…`.

A browser is sent to the port's own origin, with a grant. Programs, with a token or a signed link, are served
here; so is a browser where the hub has no domain for leases, and then the page runs in a sandbox.
"""

from __future__ import annotations

import time
from datetime import datetime

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.csrf import csrf_exempt

from compute_market.leases import access
from compute_market.leases.errors import PortNotServed, TunnelsUnavailable
from compute_market.problems import MEDIA_TYPE, problem_of
from compute_market.tunnels.grants import GRANT_PARAMETER, Grant, GrantRefused, take_grant
from compute_market.tunnels.handover import Handover, TunnelsAway, give_away
from compute_market.web.requests import actor_of
from foundation import credentials
from foundation.answers import encoded
from foundation.clock import database_now
from foundation.errors import Denied, Refusal
from foundation.statuses import status_of
from hub.interface import principal_for_token

SAFE = frozenset({"GET", "HEAD"})


@csrf_exempt
def visit(request: HttpRequest, lease_id: str, port: str) -> HttpResponse:
    """Pass a request on to the port. Tokens and links speak for themselves; a session only looks."""
    token = _token(request)
    if not token:
        return _visit(request, int(lease_id), port, token)
    try:
        return _visit(request, int(lease_id), port, token)
    except Refusal as refusal:
        return problem(refusal)


def _visit(request: HttpRequest, lease_id: int, port: str, token: str) -> HttpResponse:
    now = database_now()
    prefix = access.path_of(lease_id, port)
    rest = request.path_info.removeprefix(prefix)
    query = str(request.META.get("QUERY_STRING", ""))
    if not rest:
        # Relative addresses of the page need the slash.
        return HttpResponseRedirect(f"{prefix}/" + (f"?{query}" if query else ""))
    word, without_grant = take_grant(query)
    if word:
        _require_grant(word, lease_id, port)
        query = without_grant
    elif token:
        actor = principal_for_token(token, now=now)
        access.way_to(actor=actor, lease_id=lease_id, port=port, now=now)
    else:
        sent_on = _by_session(request, lease_id, port, rest, query, now)
        if sent_on is not None:
            return sent_on
    target = rest + (f"?{query}" if query else "")
    what = Handover(kind="visit", lease=lease_id, port=port, target=target, prefix=prefix)
    try:
        give_away(request.META, what, path=access.socket_path(), key=access.signing_key())
    except TunnelsAway:
        raise TunnelsUnavailable from None
    return HttpResponse()


def _by_session(
    request: HttpRequest, lease_id: int, port: str, rest: str, query: str, now: datetime
) -> HttpResponse | None:
    """A signed-in person's way: to the port's own origin where there is one."""
    way = access.way_to(actor=actor_of(request), lease_id=lease_id, port=port, now=now)
    is_upgrade = bool(request.headers.get("Upgrade"))
    site = request.headers.get("Sec-Fetch-Site", "none")
    if request.method not in SAFE or is_upgrade or site not in {"none", "same-origin"}:
        raise Denied(reason="a session only looks at pages; use a token or a signed link")
    base = access.address_of(lease_id, port)
    if not base:
        return None
    separator = "&" if query else ""
    word = access.grant_for(way, now=now)
    return HttpResponseRedirect(f"{base}{rest}?{query}{separator}{GRANT_PARAMETER}={word}")


def _token(request: HttpRequest) -> str:
    """The hub's token that came along; what says it does not go further."""
    if token := request.headers.get("X-Bazaar-Token", ""):
        return token
    token = credentials.bearer_token(request) or ""
    if token:
        request.META.pop("HTTP_AUTHORIZATION")
    return token


def _require_grant(word: str, lease_id: int, port: str) -> None:
    """Raises: PortNotServed (as for what is not there) where the link is not for this port, or is over."""
    try:
        grant = Grant.read(access.signing_key(), word, now=time.time())
    except GrantRefused:
        raise PortNotServed(port=port) from None
    if (grant.lease, grant.port) != (lease_id, port):
        raise PortNotServed(port=port)


def problem(refusal: Refusal) -> HttpResponse:
    """A refusal for a program (RFC 9457)."""
    status = status_of(refusal)
    body = problem_of(status, code=refusal.code, detail=str(refusal))
    return HttpResponse(encoded(body), status=status, content_type=MEDIA_TYPE)
