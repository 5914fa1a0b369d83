"""Core values → words of this wire (docs/wire/modelscope.md#calls)."""

from __future__ import annotations

from collections.abc import Sequence

from hub.api.json import timestamp
from hub.api.modelscope import answers
from hub.gitstore import Commit, Entry
from hub.repos.models import Kind, Repository
from hub.revisions import last_commits, reading
from hub.revisions.models import RepositoryFacts

PUBLIC, PRIVATE = 5, 1
# Bytes of git files that one list may read for their SHA-256, with an allowance for each file. A repository
# of a few MB can hold gigabytes of compressed text.
HASHED_BYTES_MAX = 64 * 1024 * 1024
HASHED_BYTES_A_FILE = 1024


def facts_of(found: Repository) -> RepositoryFacts | None:
    """Fields from the card and the files; empty for a disabled repository."""
    facts: RepositoryFacts | None = None if found.is_disabled else getattr(found, "facts", None)
    return facts


def visibility(found: Repository) -> int:
    return PRIVATE if found.is_private else PUBLIC


def _license(facts: RepositoryFacts | None) -> str:
    value = (facts.card_data or {}).get("license") if facts else None
    return value if isinstance(value, str) else ""


def described(found: Repository) -> answers.Listed:
    """The object of `/openapi/v1`, in lists and alone."""
    facts = facts_of(found)
    return answers.Listed(
        id=found.full_name,
        display_name=found.name,
        description=found.description,
        private=found.is_private,
        gated=bool(found.gating),
        login_required=found.is_private or bool(found.gating),
        license=_license(facts),
        downloads=found.downloads_total,
        likes=found.likes,
        tags=list(facts.tags) if facts else [],
        tasks=[facts.pipeline_tag] if facts and facts.pipeline_tag else [],
        file_size=facts.used_storage_bytes if facts else 0,
        created_at=timestamp(found.created_at),
        last_modified=timestamp(found.updated_at),
    )


def detailed(found: Repository) -> answers.Detailed:
    """The object of `/api/v1`. Datasets need `Id` and `Type`."""
    facts = facts_of(found)
    owner, _, name = found.full_name.partition("/")
    return answers.Detailed(
        id=found.pk,
        type=1,
        path=owner,
        owner=owner,
        namespace=owner,
        name=name,
        visibility=visibility(found),
        license=_license(facts),
        description=found.description,
        downloads=found.downloads_total,
        likes=found.likes,
        created_at=int(found.created_at.timestamp()),
        last_updated_time=int(found.updated_at.timestamp()),
        tags=list(facts.tags) if facts else [],
        revision="master",
        protected_mode=1 if found.gating else 2,
        is_dataset=found.kind == Kind.DATASET,
    )


def files(found: Repository, entries: Sequence[Entry], *, revision: str, head: Commit) -> list[answers.File]:
    """Each with the commit that last touched it; `head` is the one whose files they are.

    Files in git behind the first HASHED_BYTES_MAX have an empty `Sha256`. The client then does not compare,
    or takes the hash from the answer that carries the file.
    """
    last = last_commits.commits_of(found, head.oid, [entry.path for entry in entries])
    rows, left = [], HASHED_BYTES_MAX
    for entry in entries:
        if entry.is_file and entry.pointer is None:
            left -= entry.size + HASHED_BYTES_A_FILE
        is_hashed = entry.is_file and (entry.pointer is not None or left >= 0)
        digest = reading.sha256_of(found, entry) if is_hashed else ""
        rows.append(_file(entry, digest, revision, last.get(entry.path, head)))
    return rows


def _file(entry: Entry, digest: str, revision: str, last: Commit) -> answers.File:
    is_file = entry.is_file
    return answers.File(
        path=entry.path,
        name=entry.path.rpartition("/")[2],
        type="blob" if is_file else "tree",
        size=entry.content_size if is_file else 0,
        sha256=digest,
        is_lfs=entry.pointer is not None,
        mode=f"{entry.mode:o}",
        revision=revision,
        committed_date=int(last.at.timestamp()),
        commit_message=last.title,
        committer_name=last.author.name,
        in_check=False,
    )
