"""Discussions and pull requests (docs/wire/huggingface.md#discussions-and-pull-requests)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone

from foundation.errors import Invalid
from foundation.hex_digits import row_id
from foundation.paging import by_position
from hub.accounts.models import User
from hub.api.hf import bodies
from hub.api.hf.account import avatar_url
from hub.api.hf.http import actor, boolean, integer, repository, route
from hub.api.json import json_response, timestamp
from hub.api.structs import body_of
from hub.community import services
from hub.community.models import Discussion, DiscussionEvent, EventType
from hub.community.selectors import discussions as selectors
from hub.community.services import discussions as threads
from hub.community.services import pull_requests
from hub.markup import render
from hub.repos import policies as repos
from hub.repos.models import Repository

PAGE = 50
TYPES = {"all": None, "": None, "discussion": False, "pull_request": True}
STATUSES = {"": "", "all": "", "open": "open", "closed": "closed"}


def _person(request: HttpRequest, user: User) -> dict[str, Any]:
    return {
        "_id": row_id(user.namespace_id),
        "name": user.name,
        "fullname": user.namespace.full_name or user.name,
        "avatarUrl": avatar_url(request, user.name),
        "type": "user",
        "isPro": False,
        "isHf": False,
    }


def _signed(request: HttpRequest, user: User | None) -> dict[str, Any]:
    """Left out for those who are gone: the client then says `deleted`."""
    return {"author": _person(request, user)} if user is not None else {}


def _summary(request: HttpRequest, found: Discussion) -> dict[str, Any]:
    row: dict[str, Any] = {
        "num": found.number,
        "title": found.title,
        "status": found.status,
        "isPullRequest": found.is_pull_request,
        "createdAt": timestamp(found.created_at),
        "numComments": found.comment_count,
        "pinned": False,
        "repo": {"name": found.repository.full_name, "type": found.repository.kind},
        "repoOwner": {
            "name": found.repository.namespace.name,
            "type": "org" if found.repository.namespace.is_organization else "user",
        },
        **_signed(request, found.author),
    }
    return row


def _event(request: HttpRequest, event: DiscussionEvent) -> dict[str, Any]:
    return _events(request, [event])[0]


def _events(request: HttpRequest, events: Sequence[DiscussionEvent]) -> list[dict[str, Any]]:
    """Many events at once: their texts share the time that rendering may take."""
    texts = list(dict.fromkeys(chain.from_iterable(map(_texts, events))))
    html = dict(zip(texts, render.markdown_all(texts, mentions=True), strict=True))
    return [_row(request, event, html) for event in events]


def _texts(event: DiscussionEvent) -> list[str]:
    if event.type != EventType.COMMENT:
        return []
    return [event.text, *(past.text for past in event.past_texts.all())]


def _row(request: HttpRequest, event: DiscussionEvent, html: Mapping[str, str]) -> dict[str, Any]:
    data: dict[str, Any] = event.data
    if event.type == EventType.COMMENT:
        data = _comment(request, event, html)
    return {
        "id": event.key,
        "type": event.type,
        "createdAt": timestamp(event.created_at),
        **_signed(request, event.author),
        "data": data,
    }


def _comment(request: HttpRequest, event: DiscussionEvent, html: Mapping[str, str]) -> dict[str, Any]:
    writer = event.edited_by if event.edited_at and event.edited_by else event.author
    past = sorted(event.past_texts.all(), key=lambda text: text.pk, reverse=True)
    return {
        "edited": bool(past),
        "hidden": event.is_hidden,
        "latest": {
            "raw": event.text,
            "html": html[event.text],
            "updatedAt": timestamp(event.edited_at or event.created_at),
            **_signed(request, writer),
        },
        "numEdits": len(past),
        "history": [
            {
                "raw": text.text,
                "html": html[text.text],
                "updatedAt": timestamp(text.written_at),
                **_signed(request, text.author),
            }
            for text in past
        ],
    }


def _get(request: HttpRequest, kind: str, repo_id: str, number: int) -> Discussion:
    return selectors.get_discussion(
        actor=actor(request), repository=repository(request, kind, repo_id), number=number
    )


def _choice(request: HttpRequest, name: str, choices: dict[str, Any]) -> Any:
    text = request.GET.get(name, "")
    if text not in choices:
        raise Invalid(reason=f"“{name}” is one of {', '.join(filter(None, choices))}.")
    return choices[text]


def index(request: HttpRequest, kind: str, repo_id: str) -> HttpResponse:
    found = repository(request, kind, repo_id)
    rows = selectors.list_discussions(
        actor=actor(request),
        repository=found,
        is_pull_request=_choice(request, "type", TYPES),
        status=_choice(request, "status", STATUSES),
        author=request.GET.get("author", ""),
        search=request.GET.get("search", ""),
    )
    start = integer(request, "p", default=0, low=0, high=1 << 24) * PAGE
    shown = by_position(rows, skip=start, size=PAGE).rows
    return json_response(
        {
            "discussions": [_summary(request, row) for row in shown],
            "count": rows.count(),
            "start": start,
            "numClosedDiscussions": _count(request, found, "closed"),
        }
    )


def _count(request: HttpRequest, found: Repository, status: str) -> int:
    return selectors.list_discussions(actor=actor(request), repository=found, status=status).count()


def create(request: HttpRequest, kind: str, repo_id: str) -> HttpResponse:
    found = repository(request, kind, repo_id)
    body = body_of(request, bodies.NewDiscussion)
    title, text = body.title, body.description
    if body.is_pull_request:
        made = services.open_pull_request(
            actor=actor(request), repository=found, title=title, text=text, now=timezone.now()
        )
    else:
        made = threads.open_discussion(
            actor=actor(request), repository=found, title=title, text=text, now=timezone.now()
        )
    return json_response(_summary(request, made) | {"pullRequest": made.is_pull_request})


def detail(request: HttpRequest, kind: str, repo_id: str, number: int) -> HttpResponse:
    found = _get(request, kind, repo_id, number)
    row = _summary(request, found)
    row["events"] = _events(request, selectors.list_events(actor=actor(request), discussion=found))
    if found.is_pull_request:
        row |= _proposal(request, found, with_diff=boolean(request, "diff"))
    return json_response(row)


def _proposal(request: HttpRequest, found: Discussion, *, with_diff: bool) -> dict[str, Any]:
    """The changes of a pull request. A caller who may not fetch files gets only the base; a request for the
    diff is refused. Raises: with the diff, what `require_content` raises.
    """
    changes: dict[str, Any] = {"base": found.base_ref}
    if found.merge_commit_sha:
        changes["mergeCommitId"] = found.merge_commit_sha
    if not with_diff and not repos.can_fetch(actor(request), found.repository):
        # The client takes an empty list for "no conflicts known".
        return {"changes": changes, "filesWithConflicts": []}
    proposal = selectors.proposal_of(actor=actor(request), pull_request=found)
    row: dict[str, Any] = {
        "changes": changes,
        # True: it cannot be merged, and no file is to blame; its base or its ref is gone.
        "filesWithConflicts": proposal.conflicts if proposal is not None else True,
    }
    if with_diff:
        row["diff"] = (
            selectors.diff_of(actor=actor(request), pull_request=found, proposal=proposal)
            if proposal is not None
            else ""
        )
    return row


def comment(request: HttpRequest, kind: str, repo_id: str, number: int) -> HttpResponse:
    found = _get(request, kind, repo_id, number)
    text = body_of(request, bodies.Comment).comment
    event = threads.comment(actor=actor(request), discussion=found, text=text, now=timezone.now())
    return json_response({"newMessage": _event(request, event)})


def rename(request: HttpRequest, kind: str, repo_id: str, number: int) -> HttpResponse:
    found = _get(request, kind, repo_id, number)
    title = body_of(request, bodies.Title).title
    event = threads.rename(actor=actor(request), discussion=found, title=title, now=timezone.now())
    return json_response({"newTitle": _event(request, event)})


def change_status(request: HttpRequest, kind: str, repo_id: str, number: int) -> HttpResponse:
    found = _get(request, kind, repo_id, number)
    body = body_of(request, bodies.Status)
    event = threads.change_status(
        actor=actor(request),
        discussion=found,
        status=body.status,
        text=body.comment or "",
        now=timezone.now(),
    )
    return json_response({"newStatus": _event(request, event)})


def merge(request: HttpRequest, kind: str, repo_id: str, number: int) -> HttpResponse:
    found = _get(request, kind, repo_id, number)
    text = body_of(request, bodies.Merge, may_be_null=True).comment or ""
    event = pull_requests.merge(actor=actor(request), pull_request=found, text=text, now=timezone.now())
    return json_response({"newStatus": _event(request, event)})


def edit_comment(request: HttpRequest, kind: str, repo_id: str, number: int, key: str) -> HttpResponse:
    found = _get(request, kind, repo_id, number)
    text = body_of(request, bodies.EditedComment).content
    event = threads.edit_comment(
        actor=actor(request), discussion=found, key=key, text=text, now=timezone.now()
    )
    return json_response({"updatedComment": _event(request, event)})


def hide_comment(request: HttpRequest, kind: str, repo_id: str, number: int, key: str) -> HttpResponse:
    found = _get(request, kind, repo_id, number)
    event = threads.hide_comment(actor=actor(request), discussion=found, key=key, now=timezone.now())
    return json_response({"updatedComment": _event(request, event)})


_threads = "api/<plural:kind>/<repo_id:repo_id>/discussions"
urlpatterns = [
    path(_threads, route(GET=index, POST=create)),
    path(f"{_threads}/<row_id:number>", route(GET=detail)),
    path(f"{_threads}/<row_id:number>/comment", route(POST=comment)),
    path(f"{_threads}/<row_id:number>/title", route(POST=rename)),
    path(f"{_threads}/<row_id:number>/status", route(POST=change_status)),
    path(f"{_threads}/<row_id:number>/merge", route(POST=merge)),
    path(f"{_threads}/<row_id:number>/comment/<segment:key>/edit", route(POST=edit_comment)),
    path(f"{_threads}/<row_id:number>/comment/<segment:key>/hide", route(POST=hide_comment)),
]
