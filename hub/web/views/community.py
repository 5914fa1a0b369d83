"""Discussions and pull requests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from foundation import paging
from hub.accounts.models import User
from hub.community import policies
from hub.community.models import Discussion, EventType
from hub.community.selectors import discussions as selectors
from hub.community.services import discussions as threads
from hub.community.services import people, pull_requests
from hub.markup import render
from hub.repos import policies as repos
from hub.revisions import reading
from hub.web.forms import CommentForm, DiscussionForm
from hub.web.rendering import diffs
from hub.web.repository_pages import RepositoryPage, repository_page
from hub.web.requests import page, signed_in, submit
from hub.web.views.files import DIFF_FILES_MAX, shown_changes

PAGE_SIZE = 30
VERSIONS_SHOWN = 30


@repository_page
def index(request: HttpRequest, repo_page: RepositoryPage) -> HttpResponse:
    status = request.GET.get("status", "open")
    kind = request.GET.get("type", "")
    search = request.GET.get("search", "").strip()[:100]
    found = selectors.list_discussions(
        actor=repo_page.actor,
        repository=repo_page.repository,
        is_pull_request={"pull": True, "discussion": False}.get(kind),
        status=status if status in {"open", "closed"} else None,
        search=search,
    )
    context = repo_page.header("community") | {
        "discussions": paging.page_of(request, found, PAGE_SIZE),
        "status": status,
        "type": kind,
        "search": search,
    }
    return page(request, "hub/community/index.html", context)


@repository_page
def new(request: HttpRequest, repo_page: RepositoryPage) -> HttpResponse:
    signed_in(request)
    if request.method == "POST":
        policies.require_discuss(repo_page.actor, repo_page.repository)
    form = DiscussionForm(request.POST or None)

    def open_thread(data: dict[str, Any]) -> Discussion:
        return threads.open_discussion(
            actor=repo_page.actor,
            repository=repo_page.repository,
            title=data["title"],
            text=data["text"],
            now=timezone.now(),
        )

    made = submit(request, form, open_thread)
    if made is not None:
        return HttpResponseRedirect(f"{repo_page.address}/discussions/{made.number}")
    return page(request, "hub/community/new.html", repo_page.header("community") | {"form": form}, form=form)


@repository_page
def show(request: HttpRequest, repo_page: RepositoryPage, number: int) -> HttpResponse:
    """The thread; for a pull request also what it changes and whether it can be merged."""
    discussion = selectors.get_discussion(
        actor=repo_page.actor, repository=repo_page.repository, number=number
    )
    if request.method == "POST":
        _require_act(request, repo_page, discussion)
    form = CommentForm(request.POST or None)
    wrote = submit(request, form, lambda data: _act(request, repo_page, discussion, data["text"]))
    if wrote is not None:
        return HttpResponseRedirect(f"{repo_page.address}/discussions/{number}")
    people.read_discussion(actor=repo_page.actor, discussion=discussion)
    listed = selectors.list_events(actor=repo_page.actor, discussion=discussion)
    # Other events have no text to render.
    html = render.markdown_all(
        [event.text if event.type == EventType.COMMENT else "" for event in listed], mentions=True
    )
    events = list(zip(listed, html, strict=True))
    context = repo_page.header("community") | {
        "discussion": discussion,
        "events": events,
        "form": form,
        "can_moderate": policies.can_moderate(repo_page.actor, discussion),
        "can_merge": repos.can_write(repo_page.actor, repo_page.repository),
    }
    if discussion.is_pull_request and not repo_page.gate:
        context |= _proposal(repo_page, discussion)
    return page(request, "hub/community/show.html", context, form=form)


def _proposal(repo_page: RepositoryPage, discussion: Discussion) -> dict[str, Any]:
    proposal = selectors.proposal_of(actor=repo_page.actor, pull_request=discussion)
    if proposal is None:
        return {"proposal": None}
    changes = reading.changes(repo_page.repository, proposal.base, proposal.head)
    return {
        "proposal": proposal,
        "changes": shown_changes(changes),
        "files_total": len(changes),
        "files_left_out": max(0, len(changes) - DIFF_FILES_MAX),
    }


def _require_act(request: HttpRequest, repo_page: RepositoryPage, discussion: Discussion) -> None:
    """Refuse a user without the permission for the pressed button, before the form is checked."""
    act = request.POST.get("act", "comment")
    if act == "merge":
        repos.require_write(repo_page.actor, repo_page.repository)
    elif act in {"close", "open"}:
        policies.require_moderate(repo_page.actor, discussion)
    else:
        policies.require_discuss(repo_page.actor, repo_page.repository)


def _act(request: HttpRequest, repo_page: RepositoryPage, discussion: Discussion, text: str) -> Any:
    """The action of the pressed button: comment, close, reopen (also: publish a draft), merge."""
    act, now, actor = request.POST.get("act", "comment"), timezone.now(), repo_page.actor
    if act == "merge":
        return pull_requests.merge(actor=actor, pull_request=discussion, text=text, now=now)
    if act in {"close", "open"}:
        status = "closed" if act == "close" else "open"
        return threads.change_status(actor=actor, discussion=discussion, status=status, text=text, now=now)
    return threads.comment(actor=actor, discussion=discussion, text=text, now=now)


@require_POST
@repository_page
def rename(request: HttpRequest, repo_page: RepositoryPage, number: int) -> HttpResponse:
    discussion = selectors.get_discussion(
        actor=repo_page.actor, repository=repo_page.repository, number=number
    )
    threads.rename(
        actor=repo_page.actor, discussion=discussion, title=request.POST.get("title", ""), now=timezone.now()
    )
    return HttpResponseRedirect(f"{repo_page.address}/discussions/{number}")


@require_POST
@repository_page
def hide_comment(request: HttpRequest, repo_page: RepositoryPage, number: int, key: str) -> HttpResponse:
    discussion = selectors.get_discussion(
        actor=repo_page.actor, repository=repo_page.repository, number=number
    )
    threads.hide_comment(actor=repo_page.actor, discussion=discussion, key=key, now=timezone.now())
    return HttpResponseRedirect(f"{repo_page.address}/discussions/{number}")


@repository_page
def edit_comment(request: HttpRequest, repo_page: RepositoryPage, number: int, key: str) -> HttpResponse:
    """The author's words, to change them; what they were stays to be seen."""
    signed_in(request)
    discussion = selectors.get_discussion(
        actor=repo_page.actor, repository=repo_page.repository, number=number
    )
    comment = selectors.get_comment(actor=repo_page.actor, discussion=discussion, key=key)
    policies.require_edit(repo_page.actor, comment)
    form = CommentForm(request.POST or None, initial={"text": comment.text})
    saved = submit(
        request,
        form,
        lambda data: threads.edit_comment(
            actor=repo_page.actor, discussion=discussion, key=key, text=data["text"], now=timezone.now()
        ),
    )
    if saved is not None:
        return HttpResponseRedirect(f"{repo_page.address}/discussions/{number}#{key}")
    context = repo_page.header("community") | {"discussion": discussion, "comment": comment, "form": form}
    return page(request, "hub/community/edit.html", context, form=form)


@dataclass(frozen=True, slots=True)
class Version:
    """One text of a comment: who wrote it, when, and what it replaced, as rows of a diff."""

    author: User | None
    at: datetime
    html: str
    rows: list[diffs.Row]


@repository_page
def comment_history(request: HttpRequest, repo_page: RepositoryPage, number: int, key: str) -> HttpResponse:
    """The former texts of a comment, newest first."""
    discussion = selectors.get_discussion(
        actor=repo_page.actor, repository=repo_page.repository, number=number
    )
    comment = selectors.get_comment(actor=repo_page.actor, discussion=discussion, key=key)
    texts = [(past.text, past.author, past.written_at) for past in comment.past_texts.all()]
    texts.append((comment.text, comment.edited_by or comment.author, comment.edited_at or comment.created_at))
    # The text before the first one shown is compared with it, but not shown.
    shown = texts[-VERSIONS_SHOWN:]
    before = [text for text, _author, _at in ([("", None, None), *texts][-len(shown) - 1 : -1])]
    html = render.markdown_all([text for text, _author, _at in shown], mentions=True)
    versions = [
        Version(author, at, made, diffs.between(old, text) if old else [])
        for old, made, (text, author, at) in zip(before, html, shown, strict=True)
    ]
    context = repo_page.header("community") | {
        "discussion": discussion,
        "comment": comment,
        "versions": versions[::-1],
    }
    return page(request, "hub/community/history.html", context)
