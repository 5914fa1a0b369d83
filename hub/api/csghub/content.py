"""Files: one at a time, and large folders (docs/wire/opencsg.md#calls)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone

from foundation import uploads
from foundation.whole_numbers import whole_number
from hub.api.csghub import answers, bodies
from hub.api.csghub.http import actor, ok, repository, route
from hub.api.json import MalformedBody
from hub.api.json_contents import body_with_contents
from hub.api.structs import body_of, checked, text_or
from hub.community.services import Target, open_target
from hub.lfs.storing import require_room_on_disk
from hub.repos import policies
from hub.revisions.operations import DeleteFile, Operation
from hub.revisions.services import NewCommit
from hub.revisions.uploads import OfferedFile, plan_upload

# 75 files of 10 MiB, as the client sends them, in base64.
COMMIT_BYTES_MAX = 1024 * 1024 * 1024


def upload_file(request: HttpRequest, kind: str, repo_id: str) -> HttpResponse:
    """Create or replace one file, sent as a form."""
    found = repository(request, kind, repo_id)
    policies.require_write(actor(request), found)
    # A form has a Content-Length, or Django takes it for empty.
    require_room_on_disk(whole_number(request.META.get("CONTENT_LENGTH")) or 0)
    uploads.take_large_files(request, bytes_max=settings.GIT_PUSH_BYTES_MAX)
    file = request.FILES.get("file")
    name = request.POST.get("file_path")
    if not isinstance(file, UploadedFile) or not name:
        raise MalformedBody(reason="“file” and “file_path” are needed")
    branch = request.POST.get("branch") or found.default_branch
    message = request.POST.get("message") or f"Upload {name}"
    # The branch stands in the form, so the target is known only now.
    target = open_target(actor=actor(request), repository=found, revision=branch)
    _commit(target, message, [(name, _chunks(file))])
    return ok(None)


def _chunks(file: UploadedFile[Any]) -> Iterator[bytes]:
    yield from file.chunks()


def _commit(target: Target, message: str, files: list[tuple[str, Iterator[bytes] | None]]) -> None:
    now = timezone.now()
    with target.staging(now) as staging:
        operations: list[Operation] = [
            DeleteFile(name, missing_ok=True) if chunks is None else staging.add(name, chunks)
            for name, chunks in files
        ]
    target.commit(NewCommit(operations=operations, title=message, only_changes=True), now)


def preupload(request: HttpRequest, kind: str, repo_id: str, revision: str) -> HttpResponse:
    """All five keys for every path; `oid` is what is there now, so that equal files are left out."""
    found = repository(request, kind, repo_id)
    target = open_target(actor=actor(request), repository=found, revision=revision)
    body = body_of(request, bodies.Preupload)
    planned = plan_upload(
        repository=found,
        commit=target.head.commit,
        files=[OfferedFile(path=file.path, size=file.size) for file in body.files],
        gitignore="",
    )
    return ok(
        answers.PlannedFiles(
            files=[
                answers.PlannedFile(
                    path=file.path,
                    upload_mode="lfs" if file.is_large else "regular",
                    should_ignore=file.is_ignored,
                    is_dir=file.entry is not None and file.entry.kind == "directory",
                    oid=file.held_oid or "",
                )
                for file in planned
            ]
        )
    )


def commit_files(request: HttpRequest, kind: str, repo_id: str, revision: str) -> HttpResponse:
    """`create` of what exists is an update: interrupted runs send the same again."""
    found = repository(request, kind, repo_id)
    target = open_target(actor=actor(request), repository=found, revision=revision)
    with body_with_contents(request.read, limit=COMMIT_BYTES_MAX) as (parsed, contents):
        body = checked(parsed, bodies.Commit)
        files = [
            (file.path, None if file.action == "delete" else contents.base64(file.content))
            for file in body.files
        ]
        _commit(target, text_or(body.message, "Upload files"), files)
    return ok(None)


_repo = "<csg_type:kind>/<repo_id:repo_id>"
urlpatterns = [
    path(f"{_repo}/upload_file", route(POST=upload_file)),
    path(f"{_repo}/preupload/<rest:revision>", route(POST=preupload)),
    path(f"{_repo}/commit/<rest:revision>", route(POST=commit_files)),
]
