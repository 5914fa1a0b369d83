"""Putting a backup back: rows, git, objects; then what a hub from the past needs before it may serve."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import msgspec
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from bazaar import schema
from bazaar.backups import database, git_files
from bazaar.backups.errors import BackupFailed
from bazaar.backups.git_files import Refs
from bazaar.backups.names import require_refs
from bazaar.backups.storage import Archive, File, Manifest
from compute_market.leases.models import Lease
from compute_market.matching.intake import services as trading
from foundation import data_folder_lock
from hub import blobstore, gitstore
from hub.accounts.principals import SYSTEM
from hub.gitstore.errors import ObjectNotVisible
from hub.lfs import links
from hub.repos import locking
from hub.repos.models import Repository
from hub.revisions import ref_copies
from hub.revisions import refs as refs_of
from hub.xet import services as xet


@dataclass
class Restored:
    """The report of a restore for its operator. `put_aside`: the folders of the data that was here."""

    manifest: Manifest
    put_aside: list[Path] = field(default_factory=list)
    repositories: int = 0
    objects: int = 0
    # A sentence for each ref that could not be put where git or the rows had it.
    refs: list[str] = field(default_factory=list)
    halted_products: int = 0
    running_leases: list[str] = field(default_factory=list)


def restore(archive: Archive, name: str, *, replace: bool, keep_rows: bool = False) -> Restored:
    """Make this hub what it was. Raises: BackupFailed (also: something is here, or runs), Damaged.

    With `keep_rows`, the database has its rows already, of a moment before the backup began: git and objects
    are restored, and default branches are put where the rows have them.
    With `replace`, what is here is put aside in the data folder and not deleted; objects, which have names of
    their own, stay where they are. A refused restore has changed nothing; secrets are put back last.
    """
    manifest = archive.manifest(name)
    database.require_restorable(manifest)
    if keep_rows and (pending := schema.problem()):
        raise BackupFailed(f"The database has rows, but {pending}.")
    now = timezone.now()
    with _alone():
        if not replace:
            _require_empty(keep_rows=keep_rows)
        aside = Path(settings.DATA_DIR) / f"before-restore-{now:%Y%m%dT%H%M%S}"
        refs = _refs(archive, manifest)
        with _git_beside(archive, manifest, refs) as fresh:
            secrets = _secrets(archive, manifest)
            objects = _restore_objects(archive, manifest)
            if not keep_rows:
                database.restore(archive, manifest, aside=aside)
            old_git = _exchange(fresh, Path(settings.GIT_ROOT), aside)
        found = Restored(manifest, objects=objects)
        for repository in Repository.objects.order_by("pk").iterator():
            found.repositories += 1
            if repository.refs_version:
                found.refs += _check_refs(repository)
            else:
                found.refs += _put_refs(repository, refs.get(repository.storage, {}))
        _settle_down(found, now)
        _put_secrets(secrets, Path(settings.DATA_DIR), aside)
        found.put_aside = [path for path in (aside, old_git) if path is not None and path.exists()]
    return found


def _settle_down(found: Restored, now: datetime) -> None:
    """Trading waits for an operator, and clients of the Xet store forget what it may lack."""
    found.halted_products = len(trading.halt(actor=SYSTEM, product=None, now=now))
    xet.begin_generation()
    live = Lease.objects.live().order_by("pk")
    found.running_leases = [f"{lease} ({lease.get_state_display()})" for lease in live.iterator()]


# ---- what must be so before anything is written ------------------------------------------------------


@contextmanager
def _alone() -> Iterator[None]:
    """No process of this data folder runs, and none is started meanwhile. Raises BackupFailed.

    A supervisor has `server.lock` alone; web, workers, beat, tunnels and ssh share the other lock.
    """
    folder = Path(settings.DATA_DIR)
    with ExitStack() as locks:
        try:
            locks.enter_context(data_folder_lock.alone(folder))
            lock = locks.enter_context((folder / "server.lock").open("a"))
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (data_folder_lock.InUse, BlockingIOError):
            raise BackupFailed(
                f"A server, or a process of one, runs on {folder}. "
                "Stop web, workers, beat, tunnels and ssh first."
            ) from None
        yield


def _require_empty(*, keep_rows: bool) -> None:
    if not (keep_rows or database.is_empty()) or next(git_files.folders(), None) is not None:
        raise BackupFailed(
            "This hub holds data. --replace puts it aside and restores over it; another BAZAAR_DATA_DIR (and "
            "DATABASE_URL) leaves it alone."
        )


# ---- content -----------------------------------------------------------------------------------------


def _refs(archive: Archive, manifest: Manifest) -> Refs:
    """The refs of a backup whose database has none. Raises Damaged, also for a name that is no ref's."""
    file = next((file for file in manifest.files if file.path == git_files.REFS_PATH), None)
    if file is None:
        return {}
    refs = msgspec.json.decode(b"".join(archive.read(manifest, file)), type=Refs)
    require_refs(ref for held in refs.values() for ref in held)
    return refs


@contextmanager
def _git_beside(archive: Archive, manifest: Manifest, refs: Refs) -> Iterator[Path]:
    """A folder below GIT_ROOT, so on its disk, with all repositories, without refs."""
    root = Path(settings.GIT_ROOT)
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="git-restoring-", dir=root) as name:
        fresh = Path(name) / "git"
        fresh.mkdir()
        by_storage: dict[str, list[File]] = defaultdict(list)
        for file in manifest.files:
            if file.path.startswith("git/") and file.path != git_files.REFS_PATH:
                by_storage[file.path.split("/")[1]].append(file)
        for storage, files in by_storage.items():
            folder = fresh / storage[:2] / storage[2:4] / f"{storage}.git"
            for part in ("objects/pack", "objects/info", "refs/heads", "refs/tags"):
                (folder / part).mkdir(parents=True)
            for file in files:
                _write(archive, manifest, file, folder / file.path.split("/", 2)[2])
        yield fresh


def _write(archive: Archive, manifest: Manifest, file: File, target: Path) -> None:
    """Write a file that is not there yet: `x` follows no link."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as out:
        for piece in archive.read(manifest, file):
            out.write(piece)


def _exchange(fresh: Path, root: Path, aside: Path) -> Path | None:
    """Put the repositories of `fresh`, a folder below `root`, in place of those of `root`.

    `root` itself stays: it may be a mount or a link, as on several nodes. Gives the folder of the
    repositories that were here if it is not in `aside`, which may be on another disk.
    """
    if old := list(root.glob("??")):
        kept = _kept_apart(fresh, root, aside)
        for path in old:
            path.rename(kept / path.name)
    for path in fresh.iterdir():
        path.rename(root / path.name)
    return kept if old and not kept.is_relative_to(aside) else None


def _kept_apart(fresh: Path, root: Path, aside: Path) -> Path:
    """An empty folder on the disk of `root`: in `aside` if that is there too, else below `root`."""
    empty = fresh.with_name("old")
    empty.mkdir()
    aside.mkdir(parents=True, exist_ok=True)
    try:
        return empty.rename(aside / "git")
    except OSError:
        if not any(aside.iterdir()):
            aside.rmdir()
        return empty.rename(root / aside.name)


def _restore_objects(archive: Archive, manifest: Manifest) -> int:
    store = blobstore.get_store()
    files = [file for file in manifest.files if file.path.startswith("objects/")]
    for file in files:
        store.put_stream(file.path.removeprefix("objects/"), archive.read(manifest, file))
    return len(files)


def _secrets(archive: Archive, manifest: Manifest) -> dict[str, bytes]:
    """The secrets of the backup by their paths in the data folder; all are read before any is replaced."""
    return {
        file.path.removeprefix("secrets/"): b"".join(archive.read(manifest, file))
        for file in manifest.files
        if file.path.startswith("secrets/")
    }


def _put_secrets(secrets: dict[str, bytes], data: Path, aside: Path) -> None:
    """Write the secrets. Files, folders and links of their names that are here go `aside` first."""
    for name in sorted({path.partition("/")[0] for path in secrets}):
        old = data / name
        if old.exists() or old.is_symlink():
            aside.mkdir(parents=True, exist_ok=True)
            old.rename(aside / name)
    for path, content in secrets.items():
        target = data / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as out:
            out.write(content)


# ---- refs: never a commit without the rows of its large objects --------------------------------------


def _check_refs(repository: Repository) -> Iterator[str]:
    """Read what every ref leads to, and publish the refs. Gives a sentence for each that is damaged."""
    name = f"{repository.kind} {repository.full_name}"
    try:
        git = gitstore.open_repository(repository.storage)
        # Objects that are missing are named below.
        with contextlib.suppress(ObjectNotVisible):
            ref_copies.publish(repository)
    except FileNotFoundError:
        yield f"{name}: its git repository is not in the backup"
        return
    for ref in refs_of.list_all(repository):
        try:
            git.pointers([ref.held])
        except gitstore.UNREADABLE as error:
            yield f"{name}: {ref.name} at {ref.held[:12]} is damaged ({error})"


def _put_refs(repository: Repository, refs: dict[str, str]) -> Iterator[str]:
    """Make the rows of a repository's refs, of a backup whose database has none.

    Each ref holds the object that it held. Gives a sentence for each that could not be put back.

    The default branch is where the row has it. Another ref was read before the rows, so they know its large
    objects; one that was moved at that very moment may name others, and is left out.
    """
    name = f"{repository.kind} {repository.full_name}"
    try:
        git = gitstore.open_repository(repository.storage)
    except FileNotFoundError:
        yield f"{name}: its git repository is not in the backup"
        return
    wanted = dict(refs)
    default = f"refs/heads/{repository.default_branch}"
    if repository.head_sha:
        wanted[default] = repository.head_sha
    restored: list[gitstore.Ref] = []
    for ref, held in sorted(wanted.items()):
        try:
            pointers = git.pointers([held])
        except gitstore.UNREADABLE as error:
            yield f"{name}: {ref} at {held[:12]} is damaged ({error})"
            continue
        missing = set(pointers) - set(links.usable(repository.pk, None, list(pointers)))
        if missing and ref != default:
            yield f"{name}: {ref} at {held[:12]} is left out: {len(missing)} large objects have no rows"
            continue
        if missing:
            yield f"{name}: {ref} at {held[:12]}: {len(missing)} large objects have no rows"
        restored.append(gitstore.Ref(ref, git.commit_behind(held) or held, held))
    with transaction.atomic(durable=True):
        refs_of.replace(locking.lock_repository(repository.pk), restored)
