"""Files: listing, downloading, uploading; revisions and tags (docs/wire/modelscope.md#calls)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import path
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from msgspec import UNSET, UnsetType

from foundation.bodies import UNLIMITED, allow
from foundation.errors import Refusal
from foundation.paging import skip_of
from hub.accounts.policies import require_signed_in
from hub.api import content
from hub.api.json import MalformedBody
from hub.api.json_contents import Contents, body_with_contents
from hub.api.modelscope import answers, bodies, errors, render
from hub.api.modelscope.http import actor, base_url, branch_of, commit_of, legacy, repository, route
from hub.api.structs import answer_with, body_of, checked
from hub.community.services import open_target
from hub.gitstore import TreeItem
from hub.lfs import grants
from hub.lfs import services as lfs
from hub.lfs.grants import Action, Grant
from hub.repos import policies
from hub.repos.errors import RepositoryNotFound
from hub.repos.models import Repository
from hub.repos.selectors import by_ids
from hub.revisions import reading, selectors, services
from hub.revisions.errors import TooManyOperations
from hub.revisions.operations import AddLfs, DeleteFile, Operation
from hub.revisions.services import NewCommit
from hub.revisions.staging import Staging

COMMIT_BYTES_MAX = 512 * 1024 * 1024
ACTIONS_MAX = 2000
TREE_PAGE = 200
TREE_PAGE_MAX = 3000
PAGES_MAX = 1_000_000
# The list without pages ends there. From 3,000 entries on the client asks again, folder by folder.
FILES_MAX = 50_000


# ---- listing -------------------------------------------------------------------------------------


def _items(request: HttpRequest, found: Repository) -> tuple[str, Iterator[TreeItem]]:
    commit = commit_of(found, request.GET.get("Revision"))
    items = selectors.list_items(
        actor=actor(request),
        repository=found,
        commit=commit,
        path=(request.GET.get("Root") or "").strip("/"),
        recursive=(request.GET.get("Recursive") or "").lower() == "true",
    )
    # Left out before pages are cut: a page that is shorter than asked for would be taken for the last.
    return commit, (item for item in items if item.kind != "submodule")


def _listed(request: HttpRequest, found: Repository, commit: str, items: Iterator[TreeItem]) -> HttpResponse:
    revision = request.GET.get("Revision") or "master"
    entries, head = list(reading.sized(found, items)), reading.get_commit(found, commit)
    return legacy(
        answers.Files(
            files=render.files(found, entries, revision=revision, head=head),
            latest_committer=head.author.name,
        )
    )


def files(request: HttpRequest, kind: str, repo_id: str) -> HttpResponse:
    found = repository(request, kind, repo_id)
    commit, items = _items(request, found)
    return _listed(request, found, commit, islice(items, FILES_MAX))


def tree(request: HttpRequest, kind: str, repo_id: str) -> HttpResponse:
    return _tree(request, repository(request, kind, repo_id))


def tree_by_number(request: HttpRequest, kind: str, number: int) -> HttpResponse:
    found = by_ids(actor=actor(request), ids=[number]).get(number)
    if found is None or found.kind != kind:
        raise RepositoryNotFound(repo_id=number)
    return _tree(request, found)


def _tree(request: HttpRequest, found: Repository) -> HttpResponse:
    """The client goes on until a page is shorter than it asked for, so a size is kept or refused."""
    try:
        number = int(request.GET.get("PageNumber") or 1)
        size = int(request.GET.get("PageSize") or TREE_PAGE)
    except ValueError:
        raise MalformedBody(reason="PageNumber and PageSize are whole numbers") from None
    if not (1 <= number <= PAGES_MAX and 1 <= size <= TREE_PAGE_MAX):
        raise MalformedBody(reason=f"PageNumber begins at 1, and PageSize ends at {TREE_PAGE_MAX}")
    commit, items = _items(request, found)
    skip = skip_of(number, size)
    return _listed(request, found, commit, islice(items, skip, skip + size))


# ---- downloading ---------------------------------------------------------------------------------


def download(request: HttpRequest, kind: str, repo_id: str) -> HttpResponseBase:
    found = repository(request, kind, repo_id)
    commit = commit_of(found, request.GET.get("Revision"))
    name = request.GET.get("FilePath") or ""
    entry = selectors.get_file(actor=actor(request), repository=found, commit=commit, path=name)
    digest = reading.sha256_of(found, entry)
    # The hash must stand on the answer that carries the bytes, which a store's own would not have.
    response = content.serve(
        request,
        found,
        entry,
        etag=digest,
        is_pinned=request.GET.get("Revision") == commit,
        may_redirect=False,
    )
    response["X-Linked-ETag"] = f'"{digest}"'
    response["X-Linked-Size"] = str(entry.content_size)
    return response


def acceleration(_request: HttpRequest) -> HttpResponse:
    """No region has a nearer address: the client stays with this one."""
    return legacy(answers.Acceleration(internal_region_query_address=""))


# ---- uploading -----------------------------------------------------------------------------------


def batch(request: HttpRequest, kind: str, repo_id: str) -> HttpResponse:
    """The objects that the client must send, and their addresses: on this hub, as the token is sent along."""
    caller = actor(request)
    require_signed_in(caller)
    found = repository(request, kind, repo_id)
    policies.require_write(caller, found)
    wanted = [lfs.require_wanted(item.oid, item.size) for item in body_of(request, bodies.Batch).objects]
    now = timezone.now()
    slots = lfs.negotiate_upload(
        actor=caller, repository=found, wanted=wanted, in_parts=False, only_here=True, now=now
    )
    expires_at = int(now.timestamp()) + settings.LFS_GRANT_SECONDS
    objects = []
    for slot in slots:
        if slot.refusal is not None:
            raise slot.refusal
        actions: answers.Actions | UnsetType = UNSET
        if not slot.is_stored:
            grant = Grant(
                action=Action.SEND,
                repository_id=found.pk,
                oid=slot.wanted.oid,
                size_bytes=slot.wanted.size_bytes,
                expires_at=expires_at,
                user_id=caller.user_id,
                token_id=caller.token.pk if caller.token else None,
            )
            query = urlencode({"grant": grant.sign()})
            href = f"{base_url(request)}/api/v1/blobs/{slot.wanted.oid}?{query}"
            actions = answers.Actions(upload=answers.Upload(href=href, header={}))
        objects.append(answers.BatchObject(oid=slot.wanted.oid, size=slot.wanted.size_bytes, actions=actions))
    return answer_with(
        answers.Batch(code=200, success=True, objects=objects, data=answers.BatchObjects(objects=objects))
    )


@csrf_exempt
def put_blob(request: HttpRequest, oid: str) -> HttpResponse:
    """By signed address alone."""
    try:
        now = timezone.now()
        grant = grants.read(request.GET.get("grant", ""), action=Action.SEND, oid=oid, now=now)
        allow(request, UNLIMITED)
        lfs.receive_object(grant=grant, read=request.read, now=now)
    except Refusal as refusal:
        return errors.render_legacy(refusal, request)
    return legacy(None)


def commit(request: HttpRequest, kind: str, repo_id: str, revision: str) -> HttpResponse:
    require_signed_in(actor(request))
    found = repository(request, kind, repo_id)
    target = open_target(actor=actor(request), repository=found, revision=branch_of(found, revision))
    with body_with_contents(request.read, limit=COMMIT_BYTES_MAX) as (parsed, contents):
        # The client knows the refusal of too many, whatever the actions say.
        asked = parsed.get("actions")
        if isinstance(asked, list) and len(asked) > ACTIONS_MAX:
            raise TooManyOperations(limit=ACTIONS_MAX)
        body = checked(parsed, bodies.Commit)
        now = timezone.now()
        with target.staging(now) as staging:
            operations = [_operation(action, staging, contents) for action in body.actions]
        wanted = NewCommit(
            operations=operations,
            title=body.commit_message,
            only_changes=True,
        )
    done = target.commit(wanted, now).committed
    return legacy(answers.Committed(commit_id=done.oid, id=done.oid))


def _operation(action: bodies.Action, staging: Staging, contents: Contents) -> Operation:
    if action.action == "delete":
        return DeleteFile(action.path, missing_ok=True)
    if action.type == "lfs":
        wanted = lfs.require_wanted(action.sha256, action.size)
        return AddLfs(path=action.path, oid=wanted.oid, size=wanted.size_bytes)
    if (action.encoding or "base64") == "base64":
        return staging.add(action.path, contents.base64(action.content))
    return staging.add(action.path, [contents.text(action.content).encode()])


# ---- revisions -----------------------------------------------------------------------------------


def revisions(request: HttpRequest, kind: str, repo_id: str) -> HttpResponse:
    """Branches and tags; `EndTime` (seconds since 1970) leaves out the tags of what came later."""
    found = repository(request, kind, repo_id)
    try:
        end = float(request.GET.get("EndTime") or "inf")
    except ValueError:
        raise MalformedBody(reason="EndTime is a number of seconds") from None
    refs = selectors.list_refs(actor=actor(request), repository=found)
    refs = [ref for ref in refs if ref.name.startswith(("refs/heads/", "refs/tags/"))]
    commits = reading.commits(found, [ref.target for ref in refs])
    groups: dict[str, list[answers.Revision]] = {"Branches": [], "Tags": []}
    for ref in refs:
        group = "Branches" if ref.name.startswith("refs/heads/") else "Tags"
        name = ref.short_name
        if group == "Branches" and name == found.default_branch:
            name = "master"
        created_at = int(commits[ref.target].at.timestamp())
        if group == "Branches" or created_at <= end:
            groups[group].append(answers.Revision(revision=name, created_at=created_at))
    held = answers.Revisions(branches=groups["Branches"], tags=groups["Tags"])
    return legacy(answers.RevisionMap(revision_map=held))


def create_tag(request: HttpRequest, kind: str, repo_id: str) -> HttpResponse:
    require_signed_in(actor(request))
    found = repository(request, kind, repo_id)
    policies.require_write(actor(request), found)
    body = body_of(request, bodies.NewTag)
    services.create_tag(
        actor=actor(request),
        repository=found,
        name=body.name,
        revision=branch_of(found, body.ref),
        now=timezone.now(),
    )
    return legacy(None)


_repo = "api/v1/<ms_type:kind>/<repo_id:repo_id>"
urlpatterns = [
    path(f"{_repo}/repo/files", route(GET=files)),
    path(f"{_repo}/repo/tree", route(GET=tree)),
    path("api/v1/<ms_type:kind>/<row_id:number>/repo/tree", route(GET=tree_by_number)),
    path(f"{_repo}/repo", route(GET=download)),
    path(f"{_repo}/revisions", route(GET=revisions)),
    path(f"{_repo}/repo/tag", route(POST=create_tag)),
    path("api/v1/repos/internalAccelerationInfo", route(GET=acceleration)),
    path("api/v1/repos/<ms_type:kind>/<repo_id:repo_id>/info/lfs/objects/batch", route(POST=batch)),
    path("api/v1/blobs/<segment:oid>", put_blob),
    path("api/v1/repos/<ms_type:kind>/<repo_id:repo_id>/commit/<rest:revision>", route(POST=commit)),
]
