"""Reads of what a repository holds. The caller has the repository already, and so may see it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple

from django.db.models import QuerySet

from foundation import hex_digits
from hub import gitstore
from hub.accounts.models import Role
from hub.accounts.principals import Principal
from hub.gitstore import Commit, Entry, GitRepository, Ref, RevisionNotFound, TreeItem, fronts
from hub.gitstore.errors import ObjectNotVisible
from hub.gitstore.path_reader import PathReader
from hub.lfs.models import LfsLink
from hub.repos import policies
from hub.repos.models import Repository
from hub.revisions import refs
from hub.revisions.errors import HistoryTooLong, NotAFile
from hub.revisions.models import RepositoryFacts, RepositoryTag
from hub.revisions.pull_refs import pull_request_number

# Limits on the start of a list of commits and on the count. A walk takes 5 microseconds a commit.
COMMITS_SKIPPED_MAX = 200_000
COMMITS_COUNTED_MAX = 50_000


def git_of(repository: Repository) -> GitRepository:
    return gitstore.open_repository(repository.storage)


def resolve(repository: Repository, revision: str) -> str:
    """The commit id for a branch, a tag, a full ref, or a (short, at least 7 digits) commit id.

    A branch wins over a tag of the same name. Raises: RevisionNotFound.
    """
    if revision in {repository.default_branch, "HEAD"} and repository.head_sha:
        # The column follows every move of this ref in the same step, so the common case costs no query.
        return repository.head_sha
    # No branch or tag can be called like a commit id.
    if not hex_digits.SHA1.fullmatch(revision):
        is_full = revision.startswith("refs/")
        names = [revision] if is_full else [f"refs/heads/{revision}", f"refs/tags/{revision}"]
        found = refs.commits_of(repository, names)
        for name in names:
            if name in found:
                return found[name]
    try:
        return git_of(repository).commit_by_id(revision)
    except RevisionNotFound:
        if fronts.is_apart() and refs.has_commit(repository, revision):
            # Another node moved a ref there; its objects come into sight in a moment.
            raise ObjectNotVisible(retry_after_s=1) from None
        raise


def list_items(
    *, actor: Principal, repository: Repository, commit: str, path: str = "", recursive: bool = False
) -> Iterator[TreeItem]:
    """The entries of a folder without sizes, which cost a read for each file (`reading.sized`).

    Raises: RepositoryGated, RepositoryDisabled, EntryNotFound.
    """
    policies.require_content(actor, repository)
    return git_of(repository).items(commit, path, recursive=recursive)


def find_entries(
    *, actor: Principal, repository: Repository, commit: str, paths: Iterable[str]
) -> list[Entry]:
    """Those of the paths that exist. Raises: RepositoryGated, RepositoryDisabled."""
    policies.require_content(actor, repository)
    reader = PathReader(git_of(repository), commit)
    found = (reader.find(path.strip("/")) for path in paths)
    return [entry for entry in found if entry is not None]


def ids_with_tag(value: str) -> QuerySet[RepositoryTag, Any]:
    """Ids of the repositories that have a tag of any type, for use in a query."""
    return RepositoryTag.objects.filter(value=value).values("repository")


def facts_of(repository: Repository, *columns: str) -> RepositoryFacts | None:
    """The index of a repository's default branch; only these columns are loaded."""
    return RepositoryFacts.objects.filter(repository=repository).only(*columns).first()


def load_siblings(found: Iterable[RepositoryFacts], *, files_max: int) -> None:
    """Read the lists of files of several repositories, in one query, into facts that were read without them.

    Together they have at most `files_max` files. Those that do not fit have None, as repositories with too
    many files have.
    """
    wanted: dict[int, RepositoryFacts] = {}
    for facts in found:
        facts.siblings = None
        if facts.files_total <= files_max:
            files_max -= facts.files_total
            wanted[facts.pk] = facts
    rows = RepositoryFacts.objects.filter(pk__in=wanted).values_list("pk", "siblings")
    for pk, siblings in rows if wanted else ():
        wanted[pk].siblings = siblings


def get_file(*, actor: Principal, repository: Repository, commit: str, path: str) -> Entry:
    """Raises: RepositoryGated, RepositoryDisabled, EntryNotFound, NotAFile."""
    policies.require_content(actor, repository)
    entry = git_of(repository).entry(commit, path)
    if not entry.is_file:
        raise NotAFile(path=path)
    return entry


def list_refs(*, actor: Principal, repository: Repository) -> list[Ref]:
    """Names of branches and tags, which a gate does not hide.

    Raises: RepositoryNotFound, RepositoryDisabled.
    """
    policies.require_open(actor, repository)
    return refs.list_all(repository)


def history(
    *, actor: Principal, repository: Repository, commit: str, skip: int = 0, limit: int
) -> list[Commit]:
    """A page of the history from `commit` back, newest first.

    Titles of commits name files, so it needs the right to fetch. Raises: HistoryTooLong above
    COMMITS_SKIPPED_MAX, and what `require_content` raises.
    """
    policies.require_content(actor, repository)
    if skip > COMMITS_SKIPPED_MAX:
        raise HistoryTooLong(limit=COMMITS_SKIPPED_MAX)
    return list(islice(git_of(repository).history(commit, skip=skip), limit))


def count_commits(*, actor: Principal, repository: Repository, commit: str) -> int | None:
    """The number of commits from `commit` back; None above COMMITS_COUNTED_MAX.

    Raises: what `require_content` raises.
    """
    policies.require_content(actor, repository)
    return git_of(repository).count_commits(commit, limit=COMMITS_COUNTED_MAX)


class Head(NamedTuple):
    """A ref that commits may be put on, by its full name, and the commit that it is at."""

    ref: str
    commit: str


def find_branch(repository: Repository, revision: str) -> Head:
    """The branch or pull request that a commit may be put on: a short name or a full one (`refs/pr/1`).

    Raises: RevisionNotFound for tags, commit ids and names that do not exist.
    """
    name = revision if revision.startswith("refs/") else f"refs/heads/{revision}"
    may_move = name.startswith("refs/heads/") or pull_request_number(name) is not None
    if name == f"refs/heads/{repository.default_branch}" and repository.head_sha:
        return Head(name, repository.head_sha)
    commit = refs.commit_of(repository, name) if may_move else None
    if commit is None:
        raise RevisionNotFound(revision=revision)
    return Head(name, commit)


@dataclass(frozen=True, slots=True)
class LfsFile:
    """One large object of a repository: where it is, or was last, seen."""

    oid: str
    size: int
    path: str
    blob: str
    ref: str
    pushed_at: datetime


def list_lfs_files(*, actor: Principal, repository: Repository) -> list[LfsFile]:
    """Every large object that the repository links, newest first.

    Raises: RepositoryDenied and what `require_role` raises, RepositoryDisabled.
    """
    policies.require_role(actor, repository, Role.WRITE)
    policies.require_content(actor, repository)
    git = git_of(repository)
    linked = LfsLink.objects.filter(repository=repository).exclude(pushed_at=None)
    pushed = dict(linked.values_list("object_id", "pushed_at"))
    found: dict[str, LfsFile] = {}
    for ref in sorted(
        refs.list_all(repository), key=lambda ref: ref.name != f"refs/heads/{repository.default_branch}"
    ):
        for oid, (path, blob, size) in git.pointers([ref.target]).items():
            if oid in pushed and oid not in found:
                found[oid] = LfsFile(
                    oid=oid,
                    size=size,
                    path=path,
                    blob=blob,
                    ref=ref.name,
                    pushed_at=pushed[oid],  # type: ignore[arg-type]
                )
    return sorted(found.values(), key=lambda file: (file.pushed_at, file.oid), reverse=True)
