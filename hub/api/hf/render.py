"""Core values → words of this wire (docs/wire/huggingface.md)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hub.api.json import timestamp
from hub.gitstore import Commit, Entry, FileChange, Ref
from hub.gitstore.values import Pointer
from hub.lfs import selectors as objects
from hub.repos.models import Repository
from hub.revisions import last_commits
from hub.revisions.selectors import LfsFile


def lfs(pointer: Pointer, pointer_size: int) -> dict[str, Any]:
    """As trees have it: the key is `oid` here, and `sha256` in `siblings`."""
    return {"oid": pointer.oid, "size": pointer.size, "pointerSize": pointer_size}


def entries(
    repository: Repository, commit: str, found: Iterable[Entry], *, expand: bool
) -> list[dict[str, Any]]:
    """Rows of a tree; with `expand` the commit that last touched each."""
    listed = list(found)
    last = last_commits.commits_of(repository, commit, [entry.path for entry in listed]) if expand else {}
    oids = [item.pointer.oid for item in listed if item.pointer is not None]
    chunked = objects.xet_hashes(repository_id=repository.pk, oids=oids)
    return [_entry(item, last.get(item.path), chunked) for item in listed]


def _entry(item: Entry, last: Commit | None, chunked: Mapping[str, str]) -> dict[str, Any]:
    row: dict[str, Any] = {
        "type": item.kind,
        "oid": item.oid,
        "size": item.content_size,
        "path": item.path,
    }
    if item.pointer is not None:
        row["lfs"] = lfs(item.pointer, item.size)
        if item.pointer.oid in chunked:
            # Clients that know Xet fetch such a file by its chunks and ask no HEAD.
            row["xetHash"] = chunked[item.pointer.oid]
    if last is not None:
        row["lastCommit"] = {"id": last.oid, "title": last.title, "date": timestamp(last.at)}
    return row


def refs(found: Iterable[Ref], *, with_pull_requests: bool) -> dict[str, Any]:
    groups: dict[str, list[dict[str, str]]] = {"branches": [], "converts": [], "tags": []}
    if with_pull_requests:
        groups["pullRequests"] = []
    places = {
        "refs/heads/": "branches",
        "refs/convert/": "converts",
        "refs/tags/": "tags",
        "refs/pr/": "pullRequests",
    }
    for ref in found:
        group = next((name for prefix, name in places.items() if ref.name.startswith(prefix)), None)
        if group in groups:
            groups[group].append({"name": ref.short_name, "ref": ref.name, "targetCommit": ref.target})
    return dict(groups)


def commit(entry: Commit, *, formatted: bool = False) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": entry.oid,
        "title": entry.title,
        "message": entry.body,
        "date": timestamp(entry.at),
        "authors": [{"user": entry.author.name}],
    }
    if formatted:
        row["formatted"] = {"title": entry.title, "message": entry.body}
    return row


def lfs_file(file: LfsFile) -> dict[str, Any]:
    return {
        "fileOid": file.blob,
        "filename": file.path,
        "oid": file.oid,
        "pushedAt": timestamp(file.pushed_at),
        "ref": file.ref,
        "size": file.size,
    }


def change(entry: FileChange) -> dict[str, Any]:
    return {
        "path": entry.path,
        "oldPath": entry.old_path,
        "status": entry.status,
        "additions": entry.additions,
        "deletions": entry.deletions,
        "isBinary": entry.is_binary,
        "patch": entry.patch,
    }
