"""A repository's front page, and its small acts: like, watch, ask for access."""

from __future__ import annotations

import time
from typing import Any

from django.contrib import messages
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from foundation import addresses
from hub.community.services import likes, people
from hub.downloads import selectors as downloads
from hub.markup import markdown, render
from hub.repos import gating
from hub.repos.models import Kind, Repository
from hub.revisions import lineage
from hub.revisions import selectors as revisions
from hub.revisions.models import RepositoryFacts
from hub.web import contents, links, usage
from hub.web.forms import AccessRequestForm
from hub.web.rendering import charts, front, weights
from hub.web.repository_pages import RepositoryPage, repository_page
from hub.web.requests import page, signed_in, submit

# The facts' columns that the page shows; the large ones stay in the database.
NARROW = (
    "commit_sha",
    "pipeline_tag",
    "library_name",
    "parameters_total",
    "used_storage_bytes",
    "files_total",
    "tags",
    "safetensors",
    "gguf",
    "card_errors",
    "card_data",
)
LIKED_BEFORE_SIGN_IN = "liked_before_sign_in"
SLOW_SECONDS, SLOW_KEPT_SECONDS = 0.05, 600


def facts_of(repository: Repository) -> RepositoryFacts | None:
    return revisions.facts_of(repository, *NARROW)


def gate_fields(facts: RepositoryFacts | None) -> list[str]:
    """The card's questions to people who ask for access."""
    fields = (facts.card_data or {}).get("extra_gated_fields") if facts else None
    return [str(name)[:100] for name in fields][:20] if isinstance(fields, dict) else []


@repository_page
def show(request: HttpRequest, repo_page: RepositoryPage) -> HttpResponse:
    repository = repo_page.repository
    _like_after_sign_in(request, repo_page)
    people.read_notices_of(actor=repo_page.actor, address=repo_page.address)
    facts = facts_of(repository)
    revision, commit = repository.default_branch, repository.head_sha
    text = contents.card_text(actor=repo_page.actor, repository=repository, commit=commit)
    address = links.repository_path(repository)
    # A visitor before a gate cannot have the images: they are left out, not shown as broken.
    files = "" if repo_page.gate else f"{address}/resolve/{revision}/"
    base = markdown.Base(pages=f"{address}/blob/{revision}/", files=files)
    context: dict[str, Any] = repo_page.header("card")
    context |= {
        "facts": facts,
        "card": render.markdown(front.body(text), base) if text is not None else None,
        "rows": front.rows(facts.card_data if facts else None),
        "shares": front.shares(facts.safetensors if facts else None),
        "revision": revision,
        "snippets": usage.snippets(
            repository,
            hub=addresses.base_of(request),
            library=facts.library_name if facts else "",
            task=facts.pipeline_tag if facts else "",
            file="config.json" if repository.kind == Kind.MODEL else "README.md",
        ),
        "parents": lineage.base_models(facts.tags) if facts and repository.kind == Kind.MODEL else None,
        "children": children_of(repo_page),
        "weights_bytes": weights.bytes_needed(facts) if repository.kind == Kind.MODEL else 0,
        "gate_form": AccessRequestForm(names=gate_fields(facts)) if repo_page.gate else None,
    }
    return page(request, "hub/repository/card.html", context)


def children_of(repo_page: RepositoryPage) -> list[tuple[str, int, str]]:
    """(relation, how many models were made so from this one, the tag that lists them)."""
    repository = repo_page.repository
    if repository.kind != Kind.MODEL:
        return []
    name = f"search:children:{repository.storage}:{repo_page.actor.user_id or 0}"
    counts: dict[str, int] | None = cache.get(name)
    if counts is None:
        started = time.monotonic()
        counts = dict(
            lineage.children_counts(actor=repo_page.actor, repo_ids=[repository.full_name])[
                repository.full_name
            ]
        )
        if time.monotonic() - started > SLOW_SECONDS:
            # A base of thousands of models; what its tree says may be a few minutes old.
            cache.set(name, counts, SLOW_KEPT_SECONDS)
    return [
        (relation, number, f"base_model:{relation}:{repository.full_name}")
        for relation, number in counts.items()
    ]


@repository_page
def downloads_chart(request: HttpRequest, repo_page: RepositoryPage) -> HttpResponse:
    """Thirty days of downloads as bars, a fragment of the front page."""
    days = downloads.by_day(repo_page.repository, today=timezone.now().date())
    return page(request, "hub/repository/downloads.html", {"chart": charts.bars(days)})


@require_POST
@repository_page
def like(request: HttpRequest, repo_page: RepositoryPage) -> HttpResponse:
    """Like, or take it back; htmx swaps the button, a form comes back to the page."""
    if repo_page.actor.user is None and request.POST.get("on") == "1":
        request.session[LIKED_BEFORE_SIGN_IN] = repo_page.address
    if request.POST.get("on") == "1":
        likes.like(actor=repo_page.actor, repository=repo_page.repository, now=timezone.now())
    else:
        likes.unlike(actor=repo_page.actor, repository=repo_page.repository)
    return _acted(request, repo_page)


def _like_after_sign_in(request: HttpRequest, repo_page: RepositoryPage) -> None:
    """Carry out the like of a visitor who was sent to sign in first, when the visitor comes back."""
    if repo_page.actor.user is None or request.session.get(LIKED_BEFORE_SIGN_IN) != repo_page.address:
        return
    del request.session[LIKED_BEFORE_SIGN_IN]
    likes.like(actor=repo_page.actor, repository=repo_page.repository, now=timezone.now())
    repo_page.repository.refresh_from_db(fields=["likes"])
    messages.success(request, _("You like %(name)s.") % {"name": repo_page.repository.full_name})


@require_POST
@repository_page
def watch(request: HttpRequest, repo_page: RepositoryPage) -> HttpResponse:
    people.set_watch(
        actor=repo_page.actor,
        target=repo_page.repository,
        is_watching=request.POST.get("on") == "1",
        now=timezone.now(),
    )
    return _acted(request, repo_page)


def _acted(request: HttpRequest, repo_page: RepositoryPage) -> HttpResponse:
    if getattr(request, "htmx", False):
        repo_page.repository.refresh_from_db(fields=["likes"])
        return page(request, "hub/repository/acts.html", repo_page.header(""))
    return HttpResponseRedirect(repo_page.address)


@require_POST
@repository_page
def ask_access(request: HttpRequest, repo_page: RepositoryPage) -> HttpResponse:
    signed_in(request)
    form = AccessRequestForm(request.POST, names=gate_fields(facts_of(repo_page.repository)))
    asked = submit(
        request,
        form,
        lambda _: gating.ask_access(
            actor=repo_page.actor, repository=repo_page.repository, fields=form.answers(), now=timezone.now()
        ),
    )
    if asked is not None:
        return HttpResponseRedirect(repo_page.address)
    context = repo_page.header("card") | {"gate_form": form, "snippets": [], "rows": [], "revision": ""}
    return page(request, "hub/repository/card.html", context, form=form)
