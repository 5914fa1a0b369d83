"""Refs in tests: read as they are now, and moved without the rules and the lock that guard them."""

from __future__ import annotations

from django.db.models import QuerySet

from hub.gitstore import Ref, folder_of
from hub.gitstore.repository import _local as open_repositories
from hub.repos.models import Repository
from hub.revisions import models, refs
from hub.revisions.selectors import git_of


def main_of(repository: Repository) -> str:
    """The commit of refs/heads/main."""
    return models.Ref.objects.get(repository=repository, name="refs/heads/main").commit_sha


def commit_of(repository: Repository, name: str) -> str | None:
    return all_of(repository).get(name)


def held_by(repository: Repository, name: str) -> str | None:
    """The object that a ref names: a commit, or an annotated tag."""
    return dict(_rows(repository).values_list("name", "held_sha")).get(name)


def all_of(repository: Repository) -> dict[str, str]:
    """The commits of all refs, by name."""
    return dict(_rows(repository).values_list("name", "commit_sha"))


def put(repository: Repository, name: str, target: str) -> None:
    """A new ref, or another place for one that is there."""
    drop(repository, name)
    commit = git_of(repository).commit_behind(target)
    assert commit is not None
    refs.insert([(repository, Ref(name, commit, target))])
    if name == f"refs/heads/{repository.default_branch}":
        Repository.objects.filter(pk=repository.pk).update(head_sha=commit)


def drop(repository: Repository, name: str) -> None:
    """No ref of this name any more."""
    _rows(repository).filter(name=name).delete()
    Repository.objects.filter(pk=repository.pk).update(refs_version=refs.new_version())


def damage_tree(repository: Repository, commit: str) -> None:
    """Make the folder at the root of a commit, a loose object, unreadable: to other handles than this one."""
    tree = git_of(repository).commit(commit).tree
    path = folder_of(repository.storage) / "objects" / tree[:2] / tree[2:]
    path.chmod(0o600)
    path.write_bytes(b"no object")
    open_repositories.handles.clear()


def _rows(repository: Repository) -> QuerySet[models.Ref]:
    return models.Ref.objects.filter(repository=repository)
