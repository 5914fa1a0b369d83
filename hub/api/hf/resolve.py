"""Downloads: HEAD and GET of file content (docs/wire/huggingface.md#content)."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase
from django.urls import include, path

from hub.api import content
from hub.api.hf import xet_tokens
from hub.api.hf.http import actor, repository, route
from hub.gitstore import Entry, EntryNotFound
from hub.lfs import selectors as lfs
from hub.repos.models import Kind, Repository
from hub.revisions import selectors
from hub.revisions.locations import Location, RevisionPath, locate

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
    request: HttpRequest, kind: str, repo_id: str, where: RevisionPath
) -> tuple[Repository, Location, Entry]:
    """The repository, the revision and the file that an address names.

    Raises: what the selectors raise. A missing file's answer names the commit too: clients keep it
    in mind that the file does not exist there.
    """
    found = repository(request, kind, repo_id)
    at = locate(found, where)
    try:
        entry = selectors.get_file(actor=actor(request), repository=found, commit=at.commit, path=at.path)
    except EntryNotFound as refusal:
        refusal.details["commit"] = at.commit
        raise
    return found, at, entry


def resolve(request: HttpRequest, kind: str, repo_id: str, where: RevisionPath) -> HttpResponseBase:
    found, at, entry = find(request, kind, repo_id, where)
    etag = entry.pointer.oid if entry.pointer is not None else entry.oid
    response = content.serve(request, found, entry, etag=etag, is_pinned=at.revision == at.commit)
    response["X-Repo-Commit"] = at.commit
    if entry.pointer is not None:
        response["X-Linked-Etag"] = response["ETag"] = f'"{etag}"'
        names = lfs.xet_hashes(repository_id=found.pk, oids=[etag])
        for name in names.values():
            for header, value in xet_tokens.download_headers(request, found, at.commit, name).items():
                response[header] = value
    response["X-Linked-Size"] = str(entry.content_size)
    return response


def raw(request: HttpRequest, kind: str, repo_id: str, where: RevisionPath) -> HttpResponseBase:
    """The blob as git has it: for an LFS file its pointer."""
    found, at, entry = find(request, kind, repo_id, where)
    response = content.serve_blob(request, found, entry, is_pinned=at.revision == at.commit)
    response["X-Repo-Commit"] = at.commit
    return response


_views = [
    path(f"{word}/<revision_path:where>", route(GET=view))
    for word, view in (("resolve", resolve), ("raw", raw))
]
urlpatterns = [
    path(f"{prefix}<repo_id:repo_id>/", include(_views), {"kind": kind}) for kind, prefix in PREFIXES
]
