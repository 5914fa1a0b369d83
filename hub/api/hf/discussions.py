"""Discussions and pull requests (docs/wire/huggingface.md#discussions-and-pull-requests)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone
from msgspec import UNSET, UnsetType

from foundation.errors import Invalid
from foundation.hex_digits import row_id
from foundation.paging import by_position
from hub.accounts.models import User
from hub.api.hf import bodies
from hub.api.hf.account import avatar_url
from hub.api.hf.answers import discussions as answers
from hub.api.hf.answers.common import RepositoryName
from hub.api.hf.http import actor, boolean, integer, repository, route
from hub.api.json import timestamp
from hub.api.structs import answer_with, body_of
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


def _person(request: HttpRequest, user: User | None) -> answers.Author | UnsetType:
    """Left out for those who are gone: the client then says `deleted`."""
    if user is None:
        return UNSET
    return answers.Author(
        row_id=row_id(user.namespace_id),
        name=user.name,
        fullname=user.namespace.full_name or user.name,
        avatar_url=avatar_url(request, user.name),
    )


def _summary(request: HttpRequest, found: Discussion) -> answers.Discussion:
    owner = found.repository.namespace
    return answers.Discussion(
        num=found.number,
        title=found.title,
        status=found.status,
        is_pull_request=found.is_pull_request,
        created_at=timestamp(found.created_at),
        num_comments=found.comment_count,
        repo=RepositoryName(name=found.repository.full_name, type=found.repository.kind),
        repo_owner=answers.Owner(name=owner.name, type="org" if owner.is_organization else "user"),
        author=_person(request, found.author),
    )


def _event(request: HttpRequest, event: DiscussionEvent) -> answers.Event:
    return _events(request, [event])[0]


def _events(request: HttpRequest, events: Sequence[DiscussionEvent]) -> list[answers.Event]:
    """Many events at once: their texts share the time that rendering may take."""
    texts = list(dict.fromkeys(chain.from_iterable(map(_texts, events))))
    html = dict(zip(texts, render.markdown_all(texts, mentions=True), strict=True))
    return [_row(request, event, html) for event in events]


def _texts(event: DiscussionEvent) -> list[str]:
    if event.type != EventType.COMMENT:
        return []
    return [event.text, *(past.text for past in event.past_texts.all())]


def _row(request: HttpRequest, event: DiscussionEvent, html: Mapping[str, str]) -> answers.Event:
    is_comment = event.type == EventType.COMMENT
    return answers.Event(
        id=event.key,
        type=event.type,
        created_at=timestamp(event.created_at),
        author=_person(request, event.author),
        data=_comment(request, event, html) if is_comment else event.data,
    )


def _comment(request: HttpRequest, event: DiscussionEvent, html: Mapping[str, str]) -> answers.Comment:
    writer = event.edited_by if event.edited_at and event.edited_by else event.author
    past = sorted(event.past_texts.all(), key=lambda text: text.pk, reverse=True)
    return answers.Comment(
        edited=bool(past),
        hidden=event.is_hidden,
        latest=answers.Text(
            raw=event.text,
            html=html[event.text],
            updated_at=timestamp(event.edited_at or event.created_at),
            author=_person(request, writer),
        ),
        num_edits=len(past),
        history=[
            answers.Text(
                raw=text.text,
                html=html[text.text],
                updated_at=timestamp(text.written_at),
                author=_person(request, text.author),
            )
            for text in past
        ],
    )


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
    return answer_with(
        answers.Discussions(
            discussions=[_summary(request, row) for row in shown],
            count=rows.count(),
            start=start,
            num_closed_discussions=_count(request, found, "closed"),
        )
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
    row = _summary(request, made)
    row.pull_request = made.is_pull_request
    return answer_with(row)


def detail(request: HttpRequest, kind: str, repo_id: str, number: int) -> HttpResponse:
    found = _get(request, kind, repo_id, number)
    row = _summary(request, found)
    row.events = _events(request, selectors.list_events(actor=actor(request), discussion=found))
    if found.is_pull_request:
        _add_proposal(request, row, found, with_diff=boolean(request, "diff"))
    return answer_with(row)


def _add_proposal(
    request: HttpRequest, row: answers.Discussion, found: Discussion, *, with_diff: bool
) -> None:
    """The changes of a pull request. A caller who may not fetch files gets only the base; a request for the
    diff is refused. Raises: with the diff, what `require_content` raises.
    """
    row.changes = answers.Changes(base=found.base_ref, merge_commit_id=found.merge_commit_sha or UNSET)
    if not with_diff and not repos.can_fetch(actor(request), found.repository):
        # The client takes an empty list for "no conflicts known".
        row.files_with_conflicts = []
        return
    proposal = selectors.proposal_of(actor=actor(request), pull_request=found)
    # True: it cannot be merged, and no file is to blame; its base or its ref is gone.
    row.files_with_conflicts = proposal.conflicts if proposal is not None else True
    if with_diff and proposal is not None:
        row.diff = selectors.diff_of(actor=actor(request), pull_request=found, proposal=proposal)
    elif with_diff:
        row.diff = ""


def comment(request: HttpRequest, kind: str, repo_id: str, number: int) -> HttpResponse:
    found = _get(request, kind, repo_id, number)
    text = body_of(request, bodies.Comment).comment
    event = threads.comment(actor=actor(request), discussion=found, text=text, now=timezone.now())
    return answer_with(answers.NewMessage(new_message=_event(request, event)))


def rename(request: HttpRequest, kind: str, repo_id: str, number: int) -> HttpResponse:
    found = _get(request, kind, repo_id, number)
    title = body_of(request, bodies.Title).title
    event = threads.rename(actor=actor(request), discussion=found, title=title, now=timezone.now())
    return answer_with(answers.NewTitle(new_title=_event(request, event)))


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
    return answer_with(answers.NewStatus(new_status=_event(request, event)))


def merge(request: HttpRequest, kind: str, repo_id: str, number: int) -> HttpResponse:
    found = _get(request, kind, repo_id, number)
    text = body_of(request, bodies.Merge, may_be_null=True).comment or ""
    event = pull_requests.merge(actor=actor(request), pull_request=found, text=text, now=timezone.now())
    return answer_with(answers.NewStatus(new_status=_event(request, event)))


def edit_comment(request: HttpRequest, kind: str, repo_id: str, number: int, key: str) -> HttpResponse:
    found = _get(request, kind, repo_id, number)
    text = body_of(request, bodies.EditedComment).content
    event = threads.edit_comment(
        actor=actor(request), discussion=found, key=key, text=text, now=timezone.now()
    )
    return answer_with(answers.UpdatedComment(updated_comment=_event(request, event)))


def hide_comment(request: HttpRequest, kind: str, repo_id: str, number: int, key: str) -> HttpResponse:
    found = _get(request, kind, repo_id, number)
    event = threads.hide_comment(actor=actor(request), discussion=found, key=key, now=timezone.now())
    return answer_with(answers.UpdatedComment(updated_comment=_event(request, event)))


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
