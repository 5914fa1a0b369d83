"""The words for kinds of repositories in addresses of pages, and of APIs that share Hugging Face's words."""

from __future__ import annotations

from hub.repos.models import Kind

PLURAL_OF: dict[str, str] = {
    Kind.MODEL: "models",
    Kind.DATASET: "datasets",
    Kind.SPACE: "spaces",
    Kind.KERNEL: "kernels",
    Kind.CODE: "codes",
    Kind.MCP: "mcps",
    Kind.SKILL: "skills",
}
KIND_OF: dict[str, Kind] = {plural: Kind(kind) for kind, plural in PLURAL_OF.items()}


def path_of(kind: str, repo_id: str) -> str:
    """The path of a repository's page without its first slash: `ns/name` of a model, `datasets/ns/name`."""
    return repo_id if kind == Kind.MODEL else f"{PLURAL_OF[kind]}/{repo_id}"


def named(*kinds: Kind) -> dict[str, Kind]:
    """Plural → kind, of these kinds: what a dialect serves."""
    return {PLURAL_OF[kind]: kind for kind in kinds}
