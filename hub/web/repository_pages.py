"""The repository that a page is about, and what its header shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, wraps
from typing import Any
from urllib.parse import quote

from django.http import HttpRequest, HttpResponse, HttpResponsePermanentRedirect

from hub.accounts.principals import Principal
from hub.community.selectors import discussions, people
from hub.gitstore import TreeItem
from hub.repos import policies, selectors
from hub.repos.errors import RepositoryGated
from hub.repos.models import Repository
from hub.revisions import selectors as revisions
from hub.revisions.locations import locate
from hub.web import links
from hub.web.requests import actor_of


@dataclass
class RepositoryPage:
    """One request about one repository."""

    request: HttpRequest
    repository: Repository
    actor: Principal

    @cached_property
    def gate(self) -> RepositoryGated | None:
        """The reason for which the actor cannot read the files, if any."""
        try:
            policies.require_content(self.actor, self.repository)
        except RepositoryGated as gate:
            return gate
        return None

    @property
    def address(self) -> str:
        return links.repository_path(self.repository)

    def header(self, tab: str) -> dict[str, Any]:
        """The context that every page of a repository shares."""
        repository, actor = self.repository, self.actor
        return {
            "repository": repository,
            "tab": tab,
            "can_write": policies.can_write(actor, repository),
            "can_manage": policies.can_manage(actor, repository),
            "is_liked": people.is_liked(actor=actor, repository=repository),
            "is_watching": people.is_watching(actor=actor, target=repository),
            "open_discussions": discussions.count_open(repository),
            "gate": self.gate,
        }

    def revision(self, name: str | None) -> tuple[str, str]:
        """(name shown, commit id). Raises: RevisionNotFound."""
        shown = name or self.repository.default_branch
        return shown, revisions.resolve(self.repository, shown)

    def refs(self) -> dict[str, list[str]]:
        found = revisions.list_refs(actor=self.actor, repository=self.repository)
        return {
            "branches": [ref.short_name for ref in found if ref.name.startswith("refs/heads/")],
            "tags": [ref.short_name for ref in found if ref.name.startswith("refs/tags/")],
        }

    def items(self, commit: str, path: str) -> list[TreeItem]:
        """A folder's entries, folders first. Raises: EntryNotFound."""
        listed = revisions.list_items(actor=self.actor, repository=self.repository, commit=commit, path=path)
        return sorted(listed, key=lambda item: (item.is_file, item.path))


View = Callable[..., HttpResponse]


def repository_page(view: Callable[..., HttpResponse]) -> View:
    """Find the repository that the address names; lead on to its new address when it has moved.

    The view gets `(request, repo_page, **rest)`; `where` of an address becomes `revision` and `path`.
    Raises: RepositoryNotFound, RevisionNotFound.
    """

    @wraps(view)
    def found(request: HttpRequest, kind: str, namespace: str, name: str, **rest: Any) -> HttpResponse:
        actor = actor_of(request)
        repo_id = f"{namespace}/{name}"
        repository = selectors.get_repository(actor=actor, kind=kind, repo_id=repo_id)
        if request.method == "GET" and repository.full_name != repo_id:
            moved = request.get_full_path().replace(f"/{quote(repo_id)}", f"/{repository.full_name}", 1)
            return HttpResponsePermanentRedirect(moved)
        where = rest.pop("where", None)
        if where is not None:
            at = locate(repository, where)
            rest |= {"revision": at.revision, "path": at.path}
        return view(request, RepositoryPage(request, repository, actor), **rest)

    return found
