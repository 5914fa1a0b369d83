"""Core values → what git-lfs reads."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpResponse

from hub.accounts.principals import Principal
from hub.api.git import answers
from hub.api.structs import Answer, Answered
from hub.lfs.grants import Action, Grant
from hub.lfs.selectors import presigned_url
from hub.lfs.services import DownloadAnswer, NamedObject, UploadAnswer

LFS_TYPE = "application/vnd.git-lfs+json"


def lfs_json(answer: Answer) -> HttpResponse:
    return Answered(answer, content_type=LFS_TYPE)


class Links:
    """Makes the addresses of one batch answer, all for one repository and signed."""

    def __init__(self, *, base: str, repository_id: int, actor: Principal, now: datetime) -> None:
        self.base, self.repository_id, self.actor = base, repository_id, actor
        self.expires_at = int(now.timestamp()) + settings.LFS_GRANT_SECONDS

    def href(self, path: str, action: Action, wanted: NamedObject, upload_id: str = "", part: int = 0) -> str:
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


def upload_entry(slot: UploadAnswer, links: Links) -> answers.Object:
    """One object of the answer to an upload batch."""
    entry = _entry(slot)
    if slot.refusal is not None or slot.is_stored:
        return entry
    wanted = slot.wanted
    upload_id = slot.upload.pk if slot.upload is not None else ""
    verify = links.href(f"objects/{wanted.oid}/verify", Action.VERIFY, wanted, upload_id)
    return _allowed(entry, answers.Actions(upload=_upload(slot, links), verify=_action(verify)))


def _entry(slot: UploadAnswer) -> answers.Object:
    entry = answers.Object(oid=slot.wanted.oid, size=slot.wanted.size_bytes)
    if slot.refusal is not None:
        entry.error = answers.ObjectError(code=422, message=str(slot.refusal))
    return entry


def _allowed(entry: answers.Object, actions: answers.Actions) -> answers.Object:
    entry.authenticated, entry.actions = True, actions
    return entry


def _action(href: str, header: dict[str, str] | None = None) -> answers.Action:
    return answers.Action(href=href, header=header or {}, expires_in=settings.LFS_GRANT_SECONDS)


@dataclass(frozen=True, slots=True)
class XetAction:
    """The Xet action of an object: the address for the next token, and the headers with the first one."""

    refresh_url: str
    headers: dict[str, str]


def xet_entry(slot: UploadAnswer, action: XetAction) -> answers.Object:
    """One object of the answer to an upload batch that chose Xet; one without actions is stored already."""
    entry = _entry(slot)
    if slot.refusal is not None or slot.is_stored:
        return entry
    upload = answers.Action(
        href=action.refresh_url, header=action.headers, expires_in=settings.XET_TOKEN_SECONDS
    )
    return _allowed(entry, answers.Actions(upload=upload))


def _upload(slot: UploadAnswer, links: Links) -> answers.Action:
    wanted, upload = slot.wanted, slot.upload
    if upload is None:
        return _action(links.href(f"objects/{wanted.oid}", Action.SEND, wanted))
    if not upload.part_bytes:
        return _action(slot.url)
    numbers = range(1, upload.parts_count + 1)
    parts = slot.part_urls or [
        links.href(f"objects/{wanted.oid}/parts/{number}", Action.SEND_PART, wanted, upload.pk, number)
        for number in numbers
    ]
    header = {"chunk_size": str(upload.part_bytes)}
    header.update((str(number), url) for number, url in zip(numbers, parts, strict=True))
    return _action(links.href(f"objects/{wanted.oid}/complete", Action.COMPLETE, wanted, upload.pk), header)


def download_entry(found: DownloadAnswer, links: Links) -> answers.Object:
    """One object of the answer to a download batch."""
    wanted, stored = found.wanted, found.stored
    entry = answers.Object(oid=wanted.oid, size=wanted.size_bytes)
    if stored is None:
        entry.error = answers.ObjectError(code=404, message="This repository has no such object.")
        return entry
    entry.size = stored.size_bytes
    href = presigned_url(stored, expires_seconds=settings.LFS_GRANT_SECONDS) or links.href(
        f"objects/{wanted.oid}", Action.FETCH, NamedObject(wanted.oid, stored.size_bytes)
    )
    return _allowed(entry, answers.Actions(download=_action(href)))
