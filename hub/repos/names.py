"""Repository ids: `namespace/name`."""

from __future__ import annotations

from hub.accounts.names import NameRefused, require_name, require_repository_name


def split_repo_id(repo_id: str) -> tuple[str, str]:
    """Return (namespace, name) of an id that may be given to a repository. Raises: NameRefused."""
    owner, separator, name = repo_id.partition("/")
    if not separator or "/" in name:
        raise NameRefused(name=repo_id[:200], reason="a repository id is “namespace/name”.")
    return require_name(owner), require_repository_name(name)
