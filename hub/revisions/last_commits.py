"""Who touched what last, with a cache of the answers in Redis.

An answer is kept under (repository, folder, commit): for the commit that was asked about, and for the newest
commit that touched the folder. The history behind a commit id never changes, so neither does the answer. A
tree id would not do: two folders, or one folder at two times, can hold the same tree with another history.

The cache has a fixed number of slots. A folder and a commit always fall into the same slot, and the newer
answer replaces the older, so the cache cannot outgrow `SLOTS` × `BYTES_MAX`.
"""

from __future__ import annotations

import hashlib
import logging
import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import cast

import orjson
import redis

from foundation.redis_connection import connection, key
from hub.gitstore import Commit
from hub.gitstore.last_commits import parts_of
from hub.repos.models import Repository
from hub.revisions import selectors

log = logging.getLogger(__name__)

SLOTS = 1024
BYTES_MAX = 128 * 1024
KEPT_SECONDS = 24 * 3600
# What one request may ask Redis for; a recursive list can span thousands of folders.
RECALLS_MAX = 256


def of_paths(repository: Repository, commit: str, paths: Iterable[str]) -> dict[str, str]:
    """Path → id of the commit that last touched it, from `commit` back along first parents.

    Paths that are missing, or could not be decided within the limits of one walk, are left out.
    """
    wanted = list(dict.fromkeys(paths))
    if not wanted:
        return {}
    cache = _Cache(repository.storage)
    found = selectors.git_of(repository).last_commits(commit, wanted, recall=cache.recall)
    cache.keep(commit, found.by_path, found.touched)
    return found.by_path


def commits_of(repository: Repository, commit: str, paths: Iterable[str]) -> dict[str, Commit]:
    """As `of_paths`, with the commits themselves; each is read once."""
    found = of_paths(repository, commit, paths)
    git = selectors.git_of(repository)
    commits = {oid: git.commit(oid) for oid in set(found.values())}
    return {path: commits[oid] for path, oid in found.items()}


class _Cache:
    """The kept answers of one repository, for one request. Without Redis nothing is known or kept."""

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
        try:
            stored = cast("bytes | None", connection().get(_slot(identity)))
        except redis.RedisError as error:
            self._give_up(error)
            return {}
        if stored is None or not stored.startswith(identity):
            return {}
        commits, names = orjson.loads(zlib.decompress(stored[len(identity) :]))
        return {name: commits[number] for name, number in names.items()}

    def _put(self, folder: str, commit: str, names: Mapping[str, str]) -> None:
        if self.recalls > RECALLS_MAX:
            return
        numbers = {oid: number for number, oid in enumerate(dict.fromkeys(names.values()))}
        try:
            text = orjson.dumps([list(numbers), {name: numbers[oid] for name, oid in names.items()}])
        except orjson.JSONEncodeError:
            # A name that is not UTF-8.
            return
        identity = self._identity(folder, commit)
        value = identity + zlib.compress(text, 1)
        if len(value) > BYTES_MAX:
            return
        try:
            connection().set(_slot(identity), value, ex=KEPT_SECONDS)
        except redis.RedisError as error:
            self._give_up(error)

    def _identity(self, folder: str, commit: str) -> bytes:
        text = f"{self.storage}/{commit}/{folder}".encode(errors="surrogateescape")
        return hashlib.sha256(text).digest()

    def _give_up(self, error: redis.RedisError) -> None:
        log.warning("The cache of last commits is not reachable: %s", error)
        self.recalls = RECALLS_MAX + 1


def _slot(identity: bytes) -> str:
    return key("last-commits", int.from_bytes(identity[:4]) % SLOTS)
