"""Addresses of pages. Templates and views write none by hand that have a repository in them."""

from __future__ import annotations

from urllib.parse import quote

from hub.repos.models import Kind, Repository

# The first segment of a kind's pages; models have none.
PLURALS: dict[str, str] = {
    Kind.MODEL: "models",
    Kind.DATASET: "datasets",
    Kind.SPACE: "spaces",
    Kind.CODE: "codes",
    Kind.MCP: "mcps",
    Kind.SKILL: "skills",
    Kind.KERNEL: "kernels",
}
KIND_OF = {plural: kind for kind, plural in PLURALS.items()}


def prefixed(kind: str, repo_id: str) -> str:
    """`ns/name` of a model, `datasets/ns/name` of a dataset."""
    return repo_id if kind == Kind.MODEL else f"{PLURALS[kind]}/{repo_id}"


def repository_path(repository: Repository) -> str:
    return f"/{prefixed(repository.kind, repository.full_name)}"


def at(repository: Repository, page: str, revision: str, path: str = "") -> str:
    """`page` is tree, blob, edit, commits, resolve … at a revision and a path."""
    address = f"{repository_path(repository)}/{page}/{quote(revision, safe='')}"
    return f"{address}/{quote(path)}" if path else address
