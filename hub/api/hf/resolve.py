"""Downloads: HEAD and GET of file content (contract 4)."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import include, path

from hub.api import content
from hub.api.hf import xet_tokens
from hub.api.hf.http import actor, repository, route
from hub.gitstore import Entry, EntryNotFound
from hub.lfs import selectors as lfs
from hub.repos.models import Kind, Repository
from hub.revisions import selectors

PREFIXES = (
    (Kind.MODEL, ""),
    (Kind.DATASET, "datasets/"),
    (Kind.SPACE, "spaces/"),
    (Kind.KERNEL, "kernels/"),
    (Kind.CODE, "codes/"),
    (Kind.MCP, "mcps/"),
    (Kind.SKILL, "skills/"),
)


def find(
    request: HttpRequest, kind: str, repo_id: str, revision: str, file: str
) -> tuple[Repository, str, Entry]:
    """The repository, the commit and the file that an address names.

    Raises: what the selectors raise. A missing file's answer names the commit too: clients keep it
    in mind that the file does not exist there.
    """
    found = repository(request, kind, repo_id)
    commit = selectors.resolve(found, revision)
    try:
        return (
            found,
            commit,
            selectors.get_file(actor=actor(request), repository=found, commit=commit, path=file),
        )
    except EntryNotFound as refusal:
        refusal.details["commit"] = commit
        raise


def resolve(request: HttpRequest, kind: str, repo_id: str, revision: str, file: str) -> HttpResponseBase:
    found, commit, entry = find(request, kind, repo_id, revision, file)
    response = content.serve(request, found, entry)
    response["X-Repo-Commit"] = commit
    if entry.pointer is not None:
        response["X-Linked-Etag"] = response["ETag"] = f'"{entry.pointer.oid}"'
        names = lfs.xet_hashes(repository_id=found.pk, oids=[entry.pointer.oid])
        for name in names.values():
            for header, value in xet_tokens.download_headers(request, found, commit, name).items():
                response[header] = value
    else:
        response["ETag"] = f'"{entry.oid}"'
    response["X-Linked-Size"] = str(entry.content_size)
    return response


def raw(request: HttpRequest, kind: str, repo_id: str, revision: str, file: str) -> HttpResponseBase:
    """The blob as git has it: for an LFS file its pointer."""
    found, commit, entry = find(request, kind, repo_id, revision, file)
    data = selectors.git_of(found).read(entry.oid)
    response = HttpResponse(data)
    content.describe(response, file)
    response["X-Repo-Commit"] = commit
    response["ETag"] = f'"{entry.oid}"'
    response["Content-Length"] = str(len(data))
    return response


_views = [
    path(f"{word}/<segment:revision>/<rest:file>", route(GET=view))
    for word, view in (("resolve", resolve), ("raw", raw))
]
urlpatterns = [
    path(f"{prefix}<repo_id:repo_id>/", include(_views), {"kind": kind}) for kind, prefix in PREFIXES
]
