"""Uploads: the mode of each file, and the commit (docs/wire/huggingface.md#content)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from contextlib import closing

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone
from msgspec import UNSET

from foundation.hex_digits import HEX_DIGITS, SHA256
from hub.api.hf import bodies
from hub.api.hf.answers import content as answers
from hub.api.hf.http import actor, boolean, page_url, repository, route
from hub.api.json import MalformedBody, names_sha256
from hub.api.ndjson import Line, NdjsonReader
from hub.api.structs import Loose, answer_with, body_of, checked, text_or
from hub.community.services import NewPullRequest, Placed, Target, open_target
from hub.repos.models import Repository
from hub.revisions.operations import AddBlob, AddLfs, Copy, DeleteFile, DeleteFolder, Operation
from hub.revisions.services import NewCommit
from hub.revisions.staging import Staging
from hub.revisions.uploads import OfferedFile, plan_upload
from hub.xet import services as xet_services

# ---- preupload -----------------------------------------------------------------------------------


def preupload(request: HttpRequest, kind: str, repo_id: str, revision: str) -> HttpResponse:
    found = repository(request, kind, repo_id)
    target = _target(request, found, revision)
    body = body_of(request, bodies.Preupload)
    head = target.head
    planned = plan_upload(
        repository=found,
        commit=head.commit,
        files=[_offered(file) for file in body.files],
        gitattributes=body.git_attributes.encode("utf-8", "surrogatepass")
        if isinstance(body.git_attributes, str)
        else None,
        gitignore=body.git_ignore if isinstance(body.git_ignore, str) else None,
    )
    xet_services.expect_files(
        found, {file.path: file.size for file, plan in zip(body.files, planned, strict=True) if plan.is_large}
    )
    files = [
        answers.PlannedFile(
            path=file.path,
            upload_mode="lfs" if file.is_large else "regular",
            should_ignore=file.is_ignored,
            oid=file.held_oid,
        )
        for file in planned
    ]
    return answer_with(answers.Preupload(files=files, commit_oid=head.commit))


def _offered(file: bodies.OfferedFile) -> OfferedFile:
    """Raises: MalformedBody."""
    try:
        sample = base64.b64decode(file.sample or b"", validate=True)
    except (binascii.Error, ValueError, TypeError):
        raise MalformedBody(reason="“sample” is not base64") from None
    return OfferedFile(path=file.path, size=file.size, sample=sample)


# ---- commit --------------------------------------------------------------------------------------


def commit(request: HttpRequest, kind: str, repo_id: str, revision: str) -> HttpResponse:
    found = repository(request, kind, repo_id)
    # Refused before the body is read, so that the client need not send 100 MB first.
    target = _target(request, found, revision)
    placed = target.commit(read_commit(request.read, target), timezone.now())
    return _committed(request, found, placed, is_new=isinstance(target, NewPullRequest))


def _committed(request: HttpRequest, found: Repository, placed: Placed, *, is_new: bool) -> HttpResponse:
    opened = placed.pull_request if is_new else None
    page = page_url(request, found)
    return answer_with(
        answers.Committed(
            success=True,
            commit_oid=placed.committed.oid,
            commit_url=f"{page}/commit/{placed.committed.oid}",
            hook_output="",
            pull_request_url=UNSET if opened is None else f"{page}/discussions/{opened.number}",
        )
    )


def _target(request: HttpRequest, found: Repository, revision: str) -> Target:
    """Raises: what `open_target` raises."""
    return open_target(
        actor=actor(request),
        repository=found,
        revision=revision,
        is_new_pull_request=boolean(request, "create_pr"),
    )


def read_commit(read: Callable[[int], bytes], target: Target) -> NewCommit:
    """The commit that a body describes; the content in it is staged on the way.

    Raises: MalformedBody, RevisionNotFound, and what `Staging.add` raises.
    """
    operations: list[Operation] = []
    staging = target.staging(timezone.now())
    with closing(NdjsonReader(read)) as body, staging:
        lines = iter(body)
        header = next(lines, None)
        if header is None or header.key != "header":
            raise MalformedBody(reason="the first line must be the header")
        for line in lines:
            reader = READERS.get(line.key)
            if reader is None:
                raise MalformedBody(reason=f"unknown operation “{line.key[:50]}”")
            operations.extend(reader(line, staging))
    told = checked(header.value, bodies.CommitHeader)
    return NewCommit(
        operations=operations,
        title=text_or(told.summary, ""),
        body=text_or(told.description, ""),
        parent=_parent(told.parent_commit),
    )


def _parent(value: Loose) -> str | None:
    if value is None or value == "":
        return None
    text = str(value).lower()
    if not 5 <= len(text) <= 40 or not set(text) <= HEX_DIGITS:
        raise MalformedBody(reason="“parentCommit” must be 5 to 40 hex digits")
    return text


def _read_file(line: Line, staging: Staging) -> list[Operation]:
    if line.content is None:
        moved = checked(line.value, bodies.CommitRename)
        return [Copy(source=moved.old_path, path=moved.path), DeleteFile(moved.old_path)]
    path = checked(line.value, bodies.CommitFile).path
    staged: AddBlob | AddLfs = staging.add(path, line.content)
    # Only now: it may stand behind the content, which is not held until it is known.
    if checked(line.value, bodies.CommitFile).encoding != "base64":
        raise MalformedBody(reason="“encoding” must be base64")
    return [staged]


def _read_lfs_file(line: Line, _staging: Staging) -> list[Operation]:
    file = checked(line.value, bodies.CommitLfsFile)
    if not names_sha256(file.algo):
        raise MalformedBody(reason="“algo” must be sha256")
    if not SHA256.fullmatch(oid := file.oid.lower()):
        raise MalformedBody(reason="“oid” must be 64 hex digits")
    return [AddLfs(path=file.path, oid=oid, size=file.size)]


def _read_deleted_file(line: Line, _staging: Staging) -> list[Operation]:
    """The Python client says "deletedFile" for every path without a slash at its end."""
    return [DeleteFile(checked(line.value, bodies.CommitDeletion).path, or_folder=True)]


def _read_deleted_folder(line: Line, _staging: Staging) -> list[Operation]:
    return [DeleteFolder(checked(line.value, bodies.CommitDeletion).path)]


READERS: dict[str, Callable[[Line, Staging], list[Operation]]] = {
    "file": _read_file,
    "lfsFile": _read_lfs_file,
    "deletedFile": _read_deleted_file,
    "deletedFolder": _read_deleted_folder,
}

_repo = "api/<plural:kind>/<repo_id:repo_id>"
urlpatterns = [
    path(f"{_repo}/preupload/<rest:revision>", route(POST=preupload)),
    path(f"{_repo}/commit/<rest:revision>", route(POST=commit)),
]
