"""git-lfs: the batch call, the addresses it gives out, and locks (which are not kept)."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils import timezone
from msgspec import UNSET

from foundation import addresses, bodies
from foundation.errors import Unsupported
from hub.api import content
from hub.api.counting import count_download
from hub.api.git import answers, parse
from hub.api.git.bodies import Stored
from hub.api.git.http import actor, repository
from hub.api.git.render import Links, XetAction, download_entry, lfs_json, upload_entry, xet_entry
from hub.api.structs import body_of
from hub.api.xet_access import access_headers, store_url, write_token_url
from hub.lfs import grants, services
from hub.lfs.errors import GrantRefused
from hub.lfs.grants import Action, Grant
from hub.xet.tokens import find_write_token


def batch(request: HttpRequest, kind: str, repo_id: str) -> HttpResponse:
    """The action for each object: to upload it, or to download it."""
    found = repository(request, kind, repo_id)
    bodies.allow(request, bodies.READER_BYTES_MAX)
    asked = parse.batch(request)
    now = timezone.now()
    links = Links(base=addresses.base_of(request), repository_id=found.pk, actor=actor(request), now=now)
    if not asked.is_upload:
        objects = services.negotiate_download(actor=actor(request), repository=found, wanted=asked.wanted)
        count_download(request, found)
        entries = [download_entry(each, links) for each in objects]
        return lfs_json(answers.Batch(transfer="basic", objects=entries))
    token = None
    if asked.takes_xet:
        token = find_write_token(actor=actor(request), repository=found, now=now)
    slots = services.negotiate_upload(
        actor=actor(request),
        repository=found,
        wanted=asked.wanted,
        in_parts=asked.takes_parts,
        always_in_parts=asked.parts_only and token is None,
        only_here=token is not None,
        now=now,
    )
    if token is not None:
        url = write_token_url(request, found, asked.branch or found.default_branch)
        action = XetAction(url, access_headers(token, store_url(request)))
        entries = [xet_entry(slot, action) for slot in slots]
        return lfs_json(answers.Batch(transfer="xet", objects=entries))
    in_parts = any(slot.upload is not None and slot.upload.part_bytes for slot in slots)
    entries = [upload_entry(slot, links) for slot in slots]
    return lfs_json(answers.Batch(transfer="multipart" if in_parts else "basic", objects=entries))


def receive(request: HttpRequest, oid: str) -> HttpResponse:
    """PUT of one whole object, by signed address alone."""
    services.receive_object(grant=_grant(request, Action.SEND, oid), read=request.read, now=timezone.now())
    response = HttpResponse()
    response["ETag"] = f'"{oid}"'
    return response


def receive_part(request: HttpRequest, oid: str, number: int) -> HttpResponse:
    """PUT of one part, by signed address alone; clients need the ETag."""
    grant = _grant(request, Action.SEND_PART, oid)
    if grant.part != number:
        raise GrantRefused
    part = services.receive_part(grant=grant, read=request.read, now=timezone.now())
    response = HttpResponse()
    response["ETag"] = f'"{part.etag}"'
    return response


def complete(request: HttpRequest, oid: str) -> HttpResponse:
    grant = _grant(request, Action.COMPLETE, oid)
    services.complete_upload(grant=grant, parts=parse.parts(request), now=timezone.now())
    return lfs_json(answers.Stored(oid=oid, size=grant.size_bytes))


def verify(request: HttpRequest, oid: str) -> HttpResponse:
    grant = _grant(request, Action.VERIFY, oid)
    sent = body_of(request, Stored)
    if sent.oid not in (UNSET, oid) or sent.size not in (UNSET, grant.size_bytes):
        raise GrantRefused
    services.verify_object(grant=grant, now=timezone.now())
    return lfs_json(answers.Stored(oid=oid, size=grant.size_bytes))


def fetch(request: HttpRequest, oid: str) -> HttpResponseBase:
    """GET of one object, whole or a range of it, by signed address alone."""
    grant = _grant(request, Action.FETCH, oid)
    stored = services.fetch_object(grant=grant, now=timezone.now())
    return content.serve_object(request, stored)


def locks(request: HttpRequest, kind: str, repo_id: str, rest: str = "") -> HttpResponse:
    """Not kept. Told so with 501, git-lfs stops asking; an empty list would make it advise their use."""
    repository(request, kind, repo_id)
    raise Unsupported(feature="Locking files")


def _grant(request: HttpRequest, action: Action, oid: str) -> Grant:
    grant = grants.read(request.GET.get("grant", ""), action=action, oid=oid, now=timezone.now())
    bodies.allow(request, bodies.UNLIMITED)
    return grant
