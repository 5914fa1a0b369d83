"""The gate of a repository for OpenCSG's client: the refusal comes before the list of files."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase

from hub.api.authentication import principal_of
from hub.api.csghub.http import repository
from hub.api.dispatch import View
from hub.repos import policies


def gate_first(view: View) -> View:
    """A repository's info for OpenCSG's client, which reads the list of files from it.

    Without that list it stops with an error of its own, so a caller who may not read the files is refused
    before. The view's other arguments are passed on.
    """

    def gated(request: HttpRequest, kind: str, repo_id: str, **more: str) -> HttpResponseBase:
        """Raises: RepositoryNotFound, and what `policies.require_content` raises."""
        policies.require_content(principal_of(request), repository(request, kind, repo_id))
        return view(request, kind=kind, repo_id=repo_id, **more)

    return gated
