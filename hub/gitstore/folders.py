"""The folders of repositories on disk: their paths, creation and removal."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

import pygit2
from django.conf import settings
from pygit2.enums import FileMode, Option

from hub.gitstore import ref_files
from hub.gitstore.values import Author, Ref

# Objects and refs are flushed to disk before a client gets the answer "done".
pygit2.option(Option.ENABLE_FSYNC_GITDIR, True)
# The folders are ours alone; the check of the owner would only break containers that map user ids.
pygit2.option(Option.SET_OWNER_VALIDATION, False)
# libgit2 would otherwise read /etc/gitconfig and ~/.gitconfig of the user who runs the server.
for _level in (
    pygit2.enums.ConfigLevel.SYSTEM,
    pygit2.enums.ConfigLevel.GLOBAL,
    pygit2.enums.ConfigLevel.XDG,
):
    pygit2.settings.search_path[_level] = ""

CONFIG = """\
[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = true
"""


def folder_of(storage: str) -> Path:
    """The folder of a repository by its storage key (32 hex digits), two levels deep."""
    return Path(settings.GIT_ROOT) / storage[:2] / storage[2:4] / f"{storage}.git"


def create_repository(
    storage: str,
    *,
    default_branch: str,
    files: Mapping[str, bytes],
    message: str,
    author: Author,
    at: datetime,
) -> str:
    """Make a repository whose first commit holds `files` and return that commit's id.

    The folder is built under another name and renamed when whole, so a crash leaves no half of one.
    """
    folder = folder_of(storage)
    building = folder.with_suffix(".new")
    for part in ("objects/pack", "objects/info"):
        (building / part).mkdir(parents=True, exist_ok=True)
    write_frame(building, default_branch=default_branch)
    repo = pygit2.Repository(str(building))
    index = pygit2.Index()
    for name, content in files.items():
        index.add(pygit2.IndexEntry(name, repo.create_blob(content), FileMode.BLOB))
    signature = pygit2.Signature(author.name, author.email, int(at.timestamp()), 0)
    commit = str(repo.create_commit(None, signature, signature, message, index.write_tree(repo), []))
    repo.free()
    ref_files.write(building, [Ref(f"refs/heads/{default_branch}", commit, commit)], version=0)
    building.rename(folder)
    parent = os.open(folder.parent, os.O_RDONLY)
    try:
        os.fsync(parent)
    finally:
        os.close(parent)
    return commit


def write_frame(folder: Path, *, default_branch: str) -> None:
    """Write what makes a folder a bare repository besides objects and refs."""
    for part in ("refs/heads", "refs/tags"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "config").write_text(CONFIG)
    # The file that makes git take the folder for a repository comes last, and whole.
    building = folder / "HEAD.new"
    building.write_text(f"ref: refs/heads/{default_branch}\n")
    building.replace(folder / "HEAD")


def copy_repository(source: str, target: str) -> None:
    """Copy every object and no ref; `target` must not exist."""
    folder = folder_of(target)
    building = folder.with_suffix(".new")
    shutil.copytree(folder_of(source), building, ignore=shutil.ignore_patterns(ref_files.PACKED))
    building.rename(folder)


def idle_folders(before: datetime) -> Iterator[Path]:
    """All folders, of repositories and what an interrupted call left of one, unchanged since a moment."""
    for path in Path(settings.GIT_ROOT).glob("??/??/*"):
        # Renaming changes the ctime; the mtime of a copied folder is that of its source.
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_ctime < before.timestamp():
                yield path


def delete_repository(storage: str) -> None:
    """Remove the folder. Missing is fine: a job may run twice."""
    folder = folder_of(storage)
    gone = folder.with_suffix(".gone")
    with contextlib.suppress(FileNotFoundError):
        folder.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)
