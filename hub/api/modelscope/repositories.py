"""Repositories: create, describe, list, delete (docs/wire/modelscope.md#calls)."""

from __future__ import annotations

from typing import Any

from django.db.models import F, Q
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone

from foundation.paging import Size, by_position, skip_of
from hub.accounts.models import Visibility, name_key
from hub.accounts.policies import require_signed_in
from hub.api.json import MalformedBody
from hub.api.modelscope import answers, bodies, render
from hub.api.modelscope.http import WORD_OF, actor, legacy, open_route, opened, repository, route
from hub.api.structs import body_of, checked, text_or
from hub.repos import selectors as repos
from hub.repos import services
from hub.repos.models import Gating
from hub.revisions import selectors as revisions

SIZE = Size(default=10, most=100)
ENTRIES_MAX = 10_000
SORTS = {
    "default": "-trending_score",
    "downloads": "-downloads_total",
    "likes": "-likes",
    "last_modified": "-updated_at",
}


def create(request: HttpRequest, kind: str) -> HttpResponse:
    """Models come as JSON, datasets as a form. An existing one is refused, and nothing changes."""
    require_signed_in(actor(request))
    is_form = (request.content_type or "").startswith("multipart/")
    body = (
        checked(request.POST.dict(), bodies.NewRepository)
        if is_form
        else body_of(request, bodies.NewRepository)
    )
    owner = body.path or body.owner
    if not isinstance(owner, str):
        raise MalformedBody(reason="“Path” (or “Owner”) must be a string")
    try:
        level = int(body.visibility or render.PUBLIC)
    except (TypeError, ValueError, OverflowError):
        raise MalformedBody(reason="“Visibility” is 1 (private), 3 (internal) or 5 (public)") from None
    new = services.NewRepository(
        kind=kind,
        repo_id=f"{owner}/{body.name}",
        # There is no "internal" here; what is not for everybody is private.
        visibility=Visibility.PUBLIC if level >= render.PUBLIC else Visibility.PRIVATE,
        gating=Gating.MANUAL if str(body.protected_mode) == "1" else Gating.OPEN,
        description=text_or(body.description, "")[:2000],
    )
    found = services.create_repository(actor=actor(request), request=new, now=timezone.now())
    return legacy(render.detailed(found))


def describe(request: HttpRequest, kind: str, repo_id: str) -> HttpResponse:
    return opened(render.described(repository(request, kind, repo_id)))


def detail(request: HttpRequest, kind: str, repo_id: str) -> HttpResponse:
    return legacy(render.detailed(repository(request, kind, repo_id)))


def delete(request: HttpRequest, kind: str, repo_id: str) -> HttpResponse:
    require_signed_in(actor(request))
    found = repository(request, kind, repo_id)
    services.delete_repository(actor=actor(request), repository=found, now=timezone.now())
    return legacy(None)


def list_(request: HttpRequest, kind: str) -> HttpResponse:
    """Numbered pages: the client stops by the count, so the count is exact."""
    query = request.GET
    size = _number(query.get("page_size"), default=SIZE.default, high=SIZE.most)
    number = _number(query.get("page_number"), default=1, high=ENTRIES_MAX)
    found = repos.repositories(actor=actor(request), kind=kind).filter(_filter(query))
    order = SORTS.get(query.get("sort") or "default", SORTS["default"])
    total = found.count()
    rows = found.select_related("facts").order_by(F(order[1:]).desc(), "-pk")
    page = by_position(rows, skip=skip_of(number, size), size=size)
    return opened(
        answers.ListedPage(
            **{WORD_OF[kind]: [render.described(row) for row in page.rows]},
            total_count=total,
            page_number=number,
            page_size=size,
        )
    )


def _filter(query: Any) -> Q:
    wanted = Q()
    if owner := query.get("owner"):
        wanted &= Q(namespace__key=name_key(owner))
    if text := query.get("search"):
        wanted &= Q(full_name__icontains=text)
    tags = [query.get(f"filter.{name}") for name in ("task", "library", "model_type", "custom_tag")]
    if license_ := query.get("filter.license"):
        tags.append(f"license:{license_}")
    for tag in filter(None, tags):
        wanted &= Q(pk__in=revisions.ids_with_tag(tag))
    return wanted


def _number(text: str | None, *, default: int, high: int) -> int:
    try:
        return max(1, min(high, int(text))) if text else default
    except ValueError:
        raise MalformedBody(reason="page_number and page_size are whole numbers") from None


urlpatterns = [
    path("api/v1/<ms_type:kind>", route(POST=create)),
    path("openapi/v1/<ms_type:kind>", open_route(GET=list_)),
    path("openapi/v1/<ms_type:kind>/<repo_id:repo_id>", open_route(GET=describe)),
    path("api/v1/<ms_type:kind>/<repo_id:repo_id>", route(GET=detail, DELETE=delete)),
]
