"""Core values → words of this wire (docs/wire/huggingface.md)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import UNSET

from hub.api.hf.answers import content as answers
from hub.api.json import timestamp
from hub.gitstore import Commit, Entry, FileChange, Ref
from hub.lfs import selectors as objects
from hub.repos.models import Repository
from hub.revisions import last_commits
from hub.revisions.selectors import LfsFile


def entries(
    repository: Repository, commit: str, found: Iterable[Entry], *, expand: bool
) -> list[answers.TreeEntry]:
    """Rows of a tree; with `expand` the commit that last touched each."""
    listed = list(found)
    last = last_commits.commits_of(repository, commit, [entry.path for entry in listed]) if expand else {}
    oids = [item.pointer.oid for item in listed if item.pointer is not None]
    chunked = objects.xet_hashes(repository_id=repository.pk, oids=oids)
    return [_entry(item, last.get(item.path), chunked) for item in listed]


def _entry(item: Entry, last: Commit | None, chunked: Mapping[str, str]) -> answers.TreeEntry:
    row = answers.TreeEntry(type=item.kind, oid=item.oid, size=item.content_size, path=item.path)
    if item.pointer is not None:
        row.lfs = answers.LfsPointer(oid=item.pointer.oid, size=item.pointer.size, pointer_size=item.size)
        row.xet_hash = chunked.get(item.pointer.oid, UNSET)
    if last is not None:
        row.last_commit = answers.LastCommit(id=last.oid, title=last.title, date=timestamp(last.at))
    return row


def refs(found: Iterable[Ref], *, with_pull_requests: bool) -> answers.Refs:
    groups: dict[str, list[answers.Ref]] = {
        prefix: [] for prefix in ("refs/heads/", "refs/convert/", "refs/tags/", "refs/pr/")
    }
    for ref in found:
        group = next((rows for prefix, rows in groups.items() if ref.name.startswith(prefix)), None)
        if group is not None:
            group.append(answers.Ref(name=ref.short_name, ref=ref.name, target_commit=ref.target))
    return answers.Refs(
        branches=groups["refs/heads/"],
        converts=groups["refs/convert/"],
        tags=groups["refs/tags/"],
        pull_requests=groups["refs/pr/"] if with_pull_requests else UNSET,
    )


def commit(entry: Commit, *, formatted: bool = False) -> answers.Commit:
    row = answers.Commit(
        id=entry.oid,
        title=entry.title,
        message=entry.body,
        date=timestamp(entry.at),
        authors=[answers.CommitAuthor(user=entry.author.name)],
    )
    if formatted:
        row.formatted = answers.CommitText(title=entry.title, message=entry.body)
    return row


def lfs_file(file: LfsFile) -> answers.LfsFile:
    return answers.LfsFile(
        file_oid=file.blob,
        filename=file.path,
        oid=file.oid,
        pushed_at=timestamp(file.pushed_at),
        ref=file.ref,
        size=file.size,
    )


def change(entry: FileChange) -> answers.FileChange:
    return answers.FileChange(
        path=entry.path,
        old_path=entry.old_path,
        status=entry.status,
        additions=entry.additions,
        deletions=entry.deletions,
        is_binary=entry.is_binary,
        patch=entry.patch,
    )
