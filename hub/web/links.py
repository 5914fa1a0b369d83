"""Addresses of pages. Templates and views write none by hand that have a repository in them."""

from __future__ import annotations

from urllib.parse import quote

from hub.repos.kinds import path_of
from hub.repos.models import Repository


def repository_path(repository: Repository) -> str:
    return f"/{path_of(repository.kind, repository.full_name)}"


def at(repository: Repository, page: str, revision: str, path: str = "") -> str:
    """`page` is tree, blob, edit, commits, resolve … at a revision and a path."""
    address = f"{repository_path(repository)}/{page}/{quote(revision, safe='')}"
    return f"{address}/{quote(path)}" if path else address
