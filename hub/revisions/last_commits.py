"""The last commit of each entry of a folder, with a cache of the answers.

An answer is kept under (repository, folder, commit): for the commit that was asked about, and for the newest
commit that touched the folder. The history behind a commit id never changes, so neither does the answer. A
tree id cannot be the key: two folders, or one folder at two times, can have the same tree with different
histories.

The cache has a fixed number of slots. A folder and a commit always fall into the same slot, and the newer
answer replaces the older, so the cache cannot outgrow `SLOTS` × `BYTES_MAX`.
"""

from __future__ import annotations

import hashlib
import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping

import orjson
from django.core.cache import cache

from hub.gitstore import Commit
from hub.gitstore.last_commits import parts_of
from hub.repos.models import Repository
from hub.revisions import selectors

SLOTS = 1024
BYTES_MAX = 128 * 1024
KEPT_SECONDS = 24 * 3600
# Entries of the cache that one request may ask for; a recursive list can span thousands of folders.
RECALLS_MAX = 256


def of_paths(repository: Repository, commit: str, paths: Iterable[str]) -> dict[str, str]:
    """Path → id of the commit that last touched it, from `commit` back along first parents.

    Paths that are missing, or could not be decided within the limits of one walk, are left out.
    """
    wanted = list(dict.fromkeys(paths))
    if not wanted:
        return {}
    kept = _Kept(repository.storage)
    found = selectors.git_of(repository).last_commits(commit, wanted, recall=kept.recall)
    kept.keep(commit, found.by_path, found.touched)
    return found.by_path


def commits_of(repository: Repository, commit: str, paths: Iterable[str]) -> dict[str, Commit]:
    """As `of_paths`, with the commits themselves; each is read once."""
    found = of_paths(repository, commit, paths)
    git = selectors.git_of(repository)
    commits = {oid: git.commit(oid) for oid in set(found.values())}
    return {path: commits[oid] for path, oid in found.items()}


class _Kept:
    """The kept answers of one repository, for one request."""

    def __init__(self, storage: str) -> None:
        self.storage = storage
        self.recalls = 0
        self.kept: dict[tuple[str, str], dict[str, str]] = {}

    def recall(self, folder: str, commit: str, names: Iterable[str]) -> Mapping[str, str]:
        if self.recalls >= RECALLS_MAX:
            return {}
        self.recalls += 1
        known = self.kept[folder, commit] = self._get(folder, commit)
        return {name: known[name] for name in names if name in known} if known else {}

    def keep(self, start: str, by_path: Mapping[str, str], touched: Mapping[str, str]) -> None:
        """Keep what was decided, with what was known about the same folder and commit before."""
        folders: dict[str, dict[str, str]] = defaultdict(dict)
        for path, oid in by_path.items():
            folder, name = parts_of(path)
            if path:
                folders[folder][name] = oid
        for folder in touched:
            if names := folders.get(folder):
                for commit in {start, touched[folder]}:
                    known = self.kept.get((folder, commit), {})
                    if not names.keys() <= known.keys():
                        self._put(folder, commit, {**known, **names})

    def _get(self, folder: str, commit: str) -> dict[str, str]:
        identity = self._identity(folder, commit)
        stored: bytes | None = cache.get(_slot(identity))
        if stored is None or not stored.startswith(identity):
            return {}
        commits, names = orjson.loads(zlib.decompress(stored[len(identity) :]))
        return {name: commits[number] for name, number in names.items()}

    def _put(self, folder: str, commit: str, names: Mapping[str, str]) -> None:
        numbers = {oid: number for number, oid in enumerate(dict.fromkeys(names.values()))}
        try:
            text = orjson.dumps([list(numbers), {name: numbers[oid] for name, oid in names.items()}])
        except orjson.JSONEncodeError:
            # A name that is not UTF-8.
            return
        identity = self._identity(folder, commit)
        value = identity + zlib.compress(text, 1)
        if len(value) <= BYTES_MAX:
            cache.set(_slot(identity), value, KEPT_SECONDS)

    def _identity(self, folder: str, commit: str) -> bytes:
        text = f"{self.storage}/{commit}/{folder}".encode(errors="surrogateescape")
        return hashlib.sha256(text).digest()


def _slot(identity: bytes) -> str:
    return f"last-commits:{int.from_bytes(identity[:4]) % SLOTS}"
