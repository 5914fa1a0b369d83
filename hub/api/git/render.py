"""Core values → what git-lfs reads."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpResponse

from hub.accounts.principals import Principal
from hub.api.json import json_bytes
from hub.lfs.grants import Action, Grant
from hub.lfs.selectors import presigned_url
from hub.lfs.services import Found, Slot, Wanted

LFS_TYPE = "application/vnd.git-lfs+json"


def lfs_json(value: Any, *, status: int = 200) -> HttpResponse:
    return HttpResponse(json_bytes(value), status=status, content_type=LFS_TYPE)


class Links:
    """Makes the addresses of one batch answer, all for one repository and signed."""

    def __init__(self, *, base: str, repository_id: int, actor: Principal, now: datetime) -> None:
        self.base, self.repository_id, self.actor = base, repository_id, actor
        self.expires_at = int(now.timestamp()) + settings.LFS_GRANT_SECONDS

    def href(self, path: str, action: Action, wanted: Wanted, upload_id: str = "", part: int = 0) -> str:
        grant = Grant(
            action=action,
            repository_id=self.repository_id,
            oid=wanted.oid,
            size_bytes=wanted.size_bytes,
            expires_at=self.expires_at,
            user_id=self.actor.user_id,
            token_id=self.actor.token.pk if self.actor.token else None,
            upload_id=upload_id,
            part=part,
        )
        # One client goes on with an interrupted upload only if its part addresses carry this name.
        query = {"uploadId": upload_id} if upload_id else {}
        return f"{self.base}/lfs/{path}?{urlencode({**query, 'grant': grant.sign()})}"


def upload_entry(slot: Slot, links: Links) -> dict[str, Any]:
    """One object of the answer to an upload batch."""
    wanted = slot.wanted
    entry: dict[str, Any] = {"oid": wanted.oid, "size": wanted.size_bytes}
    if slot.refusal is not None:
        return {**entry, "error": {"code": 422, "message": str(slot.refusal)}}
    if slot.is_stored:
        return entry
    upload_id = slot.upload.pk if slot.upload is not None else ""
    verify = links.href(f"objects/{wanted.oid}/verify", Action.VERIFY, wanted, upload_id)
    actions: dict[str, Any] = {"upload": _upload(slot, links), "verify": {"href": verify, "header": {}}}
    for action in actions.values():
        action["expires_in"] = settings.LFS_GRANT_SECONDS
    return {**entry, "authenticated": True, "actions": actions}


@dataclass(frozen=True, slots=True)
class XetAction:
    """The Xet action of an object: the address for the next token, and the headers with the first one."""

    refresh_url: str
    headers: dict[str, str]


def xet_entry(slot: Slot, action: XetAction) -> dict[str, Any]:
    """One object of the answer to an upload batch that chose Xet; one without actions is stored already."""
    entry: dict[str, Any] = {"oid": slot.wanted.oid, "size": slot.wanted.size_bytes}
    if slot.refusal is not None:
        return {**entry, "error": {"code": 422, "message": str(slot.refusal)}}
    if slot.is_stored:
        return entry
    upload = {
        "href": action.refresh_url,
        "header": action.headers,
        "expires_in": settings.XET_TOKEN_SECONDS,
    }
    return {**entry, "authenticated": True, "actions": {"upload": upload}}


def _upload(slot: Slot, links: Links) -> dict[str, Any]:
    wanted, upload = slot.wanted, slot.upload
    if upload is None:
        return {"href": links.href(f"objects/{wanted.oid}", Action.SEND, wanted), "header": {}}
    if not upload.part_bytes:
        return {"href": slot.url, "header": {}}
    numbers = range(1, upload.parts_count + 1)
    parts = slot.part_urls or [
        links.href(f"objects/{wanted.oid}/parts/{number}", Action.SEND_PART, wanted, upload.pk, number)
        for number in numbers
    ]
    header = {"chunk_size": str(upload.part_bytes)}
    header.update((str(number), url) for number, url in zip(numbers, parts, strict=True))
    complete = links.href(f"objects/{wanted.oid}/complete", Action.COMPLETE, wanted, upload.pk)
    return {"href": complete, "header": header}


def download_entry(found: Found, links: Links) -> dict[str, Any]:
    """One object of the answer to a download batch."""
    wanted, stored = found.wanted, found.stored
    entry: dict[str, Any] = {"oid": wanted.oid, "size": wanted.size_bytes}
    if stored is None:
        return {**entry, "error": {"code": 404, "message": "This repository has no such object."}}
    entry["size"] = stored.size_bytes
    href = presigned_url(stored, expires_seconds=settings.LFS_GRANT_SECONDS) or links.href(
        f"objects/{wanted.oid}", Action.FETCH, Wanted(wanted.oid, stored.size_bytes)
    )
    action = {"href": href, "header": {}, "expires_in": settings.LFS_GRANT_SECONDS}
    return {**entry, "authenticated": True, "actions": {"download": action}}
