"""Front folders: the refs of a repository for git's processes on this node (ADR 0209).

On a file system that several nodes mount, a file that another node replaced is seen late. So each node has
folders of its own for what changes: HEAD and `packed-refs`. Objects never change; they stay in the shared
folder.
Without `BAZAAR_GIT_FRONT_DIR` the repository's folder is its own front.
"""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

from hub.gitstore import ref_files
from hub.gitstore.folders import folder_of, write_frame


def is_apart() -> bool:
    """True if this node has fronts: other nodes may write to the folders of repositories."""
    return settings.GIT_FRONT_DIR is not None


def front_of(storage: str) -> Path:
    """The folder for git's processes on this node."""
    if settings.GIT_FRONT_DIR is None:
        return folder_of(storage)
    return Path(settings.GIT_FRONT_DIR) / storage[:2] / storage[2:4] / f"{storage}.git"


def variables_of(storage: str) -> dict[str, str]:
    """The environment by which git finds the objects of a repository from its front."""
    return {"GIT_OBJECT_DIRECTORY": str(folder_of(storage) / "objects")} if is_apart() else {}


def prepare(storage: str, *, default_branch: str) -> Path:
    """The front, made if it is missing. Raises: FileNotFoundError if the repository's folder is missing."""
    front = front_of(storage)
    if not is_apart() or (front / "HEAD").exists():
        return front
    if not (folder_of(storage) / "objects").is_dir():
        raise FileNotFoundError(folder_of(storage))
    front.mkdir(parents=True, exist_ok=True)
    with ref_files.locked(front):
        write_frame(front, default_branch=default_branch)
    return front
