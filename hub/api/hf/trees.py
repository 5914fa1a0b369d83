"""Trees, paths, refs and commits (docs/wire/huggingface.md#content)."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone

from foundation.bodies import READER_BYTES_MAX, allow
from foundation.paging import by_position
from hub.accounts.models import Role
from hub.api.hf import bodies, cursors, render
from hub.api.hf.answers import content as answers
from hub.api.hf.answers.common import Success
from hub.api.hf.http import actor, boolean, integer, repeated, repository, route, with_next
from hub.api.json import MalformedBody
from hub.api.structs import answer_with, body_of, text_or
from hub.community.services import open_target
from hub.gitstore import EntryNotFound
from hub.lfs import services as lfs
from hub.repos import policies
from hub.revisions import reading, selectors, services
from hub.revisions.locations import RevisionPath, locate

TREE_PAGE = 1000
TREE_PAGE_EXPANDED = 100
COMMITS_PAGE = 50
LFS_PAGE = 1000


def tree(request: HttpRequest, kind: str, repo_id: str, where: RevisionPath) -> HttpResponse:
    found = repository(request, kind, repo_id)
    _, commit, folder = locate(found, where)
    expand = boolean(request, "expand")
    start = cursors.read(request.GET.get("cursor"), size=TREE_PAGE_EXPANDED if expand else TREE_PAGE)
    limit = integer(request, "limit", default=start.limit, low=1, high=start.limit)
    try:
        items = selectors.list_items(
            actor=actor(request),
            repository=found,
            commit=commit,
            path=folder.strip("/"),
            recursive=boolean(request, "recursive"),
        )
    except EntryNotFound as refusal:
        refusal.details["commit"] = commit
        raise
    # Submodules are left out before the page is cut: a short page would be taken for the last.
    page = cursors.page((item for item in items if item.kind != "submodule"), start, limit)
    shown = reading.sized(found, page.items)
    response = answer_with(render.entries(found, commit, shown, expand=expand))
    return with_next(request, response, {"cursor": page.next}) if page.next is not None else response


def paths_info(request: HttpRequest, kind: str, repo_id: str, revision: str) -> HttpResponse:
    found = repository(request, kind, repo_id)
    commit = selectors.resolve(found, revision)
    allow(request, READER_BYTES_MAX)
    if (request.content_type or "").startswith("application/json"):
        body = body_of(request, bodies.Paths)
        paths, expand = body.paths, bool(body.expand)
    else:
        paths = request.POST.getlist("paths") or request.POST.getlist("paths[]")
        expand = request.POST.get("expand", "").lower() == "true"
    if len(paths) > bodies.PATHS_MAX:
        raise MalformedBody(reason=f"“paths” is a list of at most {bodies.PATHS_MAX} strings")
    entries = selectors.find_entries(actor=actor(request), repository=found, commit=commit, paths=paths)
    return answer_with(render.entries(found, commit, entries, expand=expand))


def refs(request: HttpRequest, kind: str, repo_id: str) -> HttpResponse:
    found = repository(request, kind, repo_id)
    with_prs = bool(repeated(request, "include_prs", "include_pull_requests")) and boolean(
        request, "include_prs", default=True
    )
    listed = selectors.list_refs(actor=actor(request), repository=found)
    return answer_with(render.refs(listed, with_pull_requests=with_prs))


def commits(request: HttpRequest, kind: str, repo_id: str, revision: str) -> HttpResponse:
    found = repository(request, kind, repo_id)
    policies.require_content(actor(request), found)  # before a revision tells whether it exists
    start = selectors.resolve(found, revision)
    number = integer(request, "p", default=0, low=0, high=1 << 31)
    limit = integer(request, "limit", default=COMMITS_PAGE, low=1, high=1000)
    page = selectors.history(
        actor=actor(request), repository=found, commit=start, skip=number * limit, limit=limit + 1
    )
    is_formatted = "formatted" in repeated(request, "expand", "expand[]")
    response = answer_with([render.commit(entry, formatted=is_formatted) for entry in page[:limit]])
    total = selectors.count_commits(actor=actor(request), repository=found, commit=start)
    if total is not None:
        response["X-Total-Count"] = str(total)
    return with_next(request, response, {"p": number + 1}) if len(page) > limit else response


def create_branch(request: HttpRequest, kind: str, repo_id: str, name: str) -> HttpResponse:
    found = repository(request, kind, repo_id)
    body = body_of(request, bodies.NewBranch)
    services.create_branch(
        actor=actor(request),
        repository=found,
        name=name,
        start=body.start,
        overwrite=bool(body.overwrite),
        is_empty=bool(body.is_empty),
        now=timezone.now(),
    )
    return answer_with(Success(success=True))


def delete_branch(request: HttpRequest, kind: str, repo_id: str, name: str) -> HttpResponse:
    found = repository(request, kind, repo_id)
    services.delete_branch(actor=actor(request), repository=found, name=name, now=timezone.now())
    return answer_with(Success(success=True))


def create_tag(request: HttpRequest, kind: str, repo_id: str, name: str) -> HttpResponse:
    """Here `name` of the URL is the revision; the tag's name is in the body."""
    found = repository(request, kind, repo_id)
    body = body_of(request, bodies.NewTag)
    services.create_tag(
        actor=actor(request),
        repository=found,
        name=body.tag,
        revision=name,
        message=text_or(body.message, ""),
        now=timezone.now(),
    )
    return answer_with(Success(success=True))


def delete_tag(request: HttpRequest, kind: str, repo_id: str, name: str) -> HttpResponse:
    found = repository(request, kind, repo_id)
    services.delete_tag(actor=actor(request), repository=found, name=name, now=timezone.now())
    return answer_with(Success(success=True))


def super_squash(request: HttpRequest, kind: str, repo_id: str, revision: str) -> HttpResponse:
    found = repository(request, kind, repo_id)
    body = body_of(request, bodies.Squash)
    target = open_target(actor=actor(request), repository=found, revision=revision)
    target.squash(text_or(body.message, ""), timezone.now())
    return answer_with(Success(success=True))


def lfs_files(request: HttpRequest, kind: str, repo_id: str) -> HttpResponse:
    found = repository(request, kind, repo_id)
    files = selectors.list_lfs_files(actor=actor(request), repository=found)
    skip = integer(request, "cursor", default=0, low=0, high=1 << 31)
    page = by_position(files, skip=skip, size=LFS_PAGE)
    response = answer_with([render.lfs_file(file) for file in page.rows])
    return with_next(request, response, {"cursor": skip + LFS_PAGE}) if page.has_more else response


def delete_lfs_files(request: HttpRequest, kind: str, repo_id: str) -> HttpResponse:
    deletions = body_of(request, bodies.LfsDeletions).deletions
    found = repository(request, kind, repo_id)
    wanted = {str(oid) for oid in deletions.sha}
    policies.require_role(actor(request), found, Role.ADMIN)
    # `fileOid` names the pointer's blob; the sha256 is taken too.
    files = selectors.list_lfs_files(actor=actor(request), repository=found)
    services.delete_lfs_files(
        actor=actor(request),
        repository=found,
        oids={file.oid for file in files if file.blob in wanted or file.oid in wanted},
        rewrite_history=bool(deletions.rewrite_history),
        now=timezone.now(),
    )
    return answer_with(Success(success=True))


def duplicate_lfs_files(request: HttpRequest, kind: str, repo_id: str) -> HttpResponse:
    """Before a commit that copies large files from here to another repository."""
    body = body_of(request, bodies.SharedFiles)
    missing = lfs.share_objects(
        actor=actor(request),
        source=repository(request, kind, repo_id),
        target=repository(request, body.target.type, body.target.name),
        oids=list(dict.fromkeys(file.sha256 for file in body.files)),
        now=timezone.now(),
    )
    error = f"{repo_id} has no such file."
    failed = [answers.NotShared(sha256=oid, error=error) for oid in missing]
    return answer_with(answers.SharedFiles(failed=failed))


def compare(request: HttpRequest, kind: str, repo_id: str, revision: str) -> HttpResponse:
    """`base..head` (or `base...head`): what the second has that the first has not. `raw=1`: a diff."""
    found = repository(request, kind, repo_id)
    base, _, head = revision.replace("...", "..", 1).partition("..")
    old, new = reading.compare(
        actor=actor(request), repository=found, base=base, head=head, since_fork="..." in revision
    )
    if boolean(request, "raw"):
        return HttpResponse(reading.patch_text(found, old, new), content_type="text/plain; charset=utf-8")
    changes = [render.change(change) for change in reading.changes(found, old, new)]
    return answer_with(answers.Comparison(base=old, head=new, files=changes))


_repo = "api/<plural:kind>/<repo_id:repo_id>"
urlpatterns = [
    path(f"{_repo}/tree/<revision_path:where>", route(GET=tree)),
    path(f"{_repo}/paths-info/<rest:revision>", route(POST=paths_info)),
    path(f"{_repo}/refs", route(GET=refs)),
    path(f"{_repo}/commits/<rest:revision>", route(GET=commits)),
    path(f"{_repo}/branch/<rest:name>", route(POST=create_branch, DELETE=delete_branch)),
    path(f"{_repo}/tag/<rest:name>", route(POST=create_tag, DELETE=delete_tag)),
    path(f"{_repo}/super-squash/<rest:revision>", route(POST=super_squash)),
    path(f"{_repo}/lfs-files", route(GET=lfs_files)),
    path(f"{_repo}/lfs-files/batch", route(POST=delete_lfs_files)),
    path(f"{_repo}/lfs-files/duplicate", route(POST=duplicate_lfs_files)),
    path(f"{_repo}/compare/<rest:revision>", route(GET=compare)),
]
