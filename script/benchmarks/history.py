"""The last commits of large folders, on pages and in API rows, against `git log` of the same folder.

    python script/benchmarks/history.py [--rounds 7]

Everything runs in one process. The cache is emptied before each first load; the loads after it find it full.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bazaar.settings.test")
os.environ["BAZAAR_LOG_ACCESS"] = "false"

import django

django.setup()

import pygit2
from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from django.test import Client
from django.test.utils import setup_databases, setup_test_environment
from pygit2.enums import FileMode

from bazaar.server import processes, redis
from hub.gitstore import Ref, folder_of
from hub.repos.locking import lock_repository
from hub.repos.models import Repository
from hub.revisions import jobs, refs
from tests.factories import hub as make

SIGNATURE = pygit2.Signature("alice", "alice@example.org", 1_700_000_000, 0)


def fill(repository: Repository, *, files: int, beside: int, inside: int) -> None:
    """`files` in data/, then `beside` commits that touch README.md alone and `inside` that change a file."""
    git = pygit2.Repository(str(folder_of(repository.storage)))
    data, root = git.TreeBuilder(), git.TreeBuilder()
    for number in range(files):
        data.insert(f"file-{number:05}.bin", git.create_blob(b"%d" % number), FileMode.BLOB)
    parent = pygit2.Oid(hex=repository.head_sha)

    def commit() -> None:
        nonlocal parent
        root.insert("data", data.write(), FileMode.TREE)
        parent = git.create_commit(None, SIGNATURE, SIGNATURE, "change", root.write(), [parent])

    commit()
    for number in range(inside):
        data.insert(f"file-{number:05}.bin", git.create_blob(b"new %d" % number), FileMode.BLOB)
        commit()
    for number in range(beside):
        root.insert("README.md", git.create_blob(b"%d" % number), FileMode.BLOB)
        commit()
    with transaction.atomic():
        refs.replace(lock_repository(repository.pk), [Ref("refs/heads/main", str(parent), str(parent))])
    jobs.catch_up_one(repository_id=repository.pk, now=make.NOW)


def forget() -> None:
    cache.clear()


def median_ms(
    action: Callable[[], object], rounds: int, before: Callable[[], object] = lambda: None
) -> float:
    taken = []
    for _ in range(rounds):
        before()
        begun = time.perf_counter()
        action()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken) * 1000


def measure(name: str, repository: Repository, rounds: int) -> None:
    client, folder = Client(), folder_of(repository.storage)

    def get(address: str) -> Callable[[], object]:
        def call() -> None:
            assert client.get(address).status_code == 200

        call()
        return call

    control = median_ms(
        lambda: subprocess.run(
            [
                "git",
                "-C",
                str(folder),
                "log",
                "--first-parent",
                "--name-only",
                "--format=%H",
                "main",
                "--",
                "data",
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        ),
        rounds,
    )
    base = f"/api/models/{repository.full_name}/tree/main/data"
    for what, address in (
        ("page of the folder", f"/{repository.full_name}/tree/main/data"),
        ("page of one file", f"/{repository.full_name}/blob/main/data/file-00001.bin"),
        ("expand=true, 50 rows", f"{base}?expand=true&limit=50"),
        ("without expand, 50 rows", f"{base}?limit=50"),
    ):
        call = get(address)
        first, then = median_ms(call, rounds, forget), median_ms(call, rounds)
        print(f"{name:34} {what:24} first {first:7.1f} ms   then {then:7.1f} ms   git log {control:7.1f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    setup_test_environment()
    setup_databases(verbosity=0, interactive=False)
    socket_path = Path(settings.REDIS_URL.removeprefix("unix://"))
    with Path(os.devnull).open("wb") as output:
        process = redis.start(
            socket_path=socket_path, folder=Path(settings.DATA_DIR) / "redis", durable=False, output=output
        )
        try:
            processes.wait_until(lambda: redis.answers(socket_path), what="Redis", process=process)
            alice = make.actor("alice")
            for name, files, beside, inside in (
                ("600 files, 300 other commits", 600, 300, 0),
                ("600 files, 300 commits in it", 600, 0, 300),
                ("10,000 files, 4 commits", 10_000, 1, 3),
            ):
                repository = make.repository(alice, f"r{files}-{beside}-{inside}")
                fill(repository, files=files, beside=beside, inside=inside)
                measure(name, repository, rounds)
        finally:
            processes.stop(process)


if __name__ == "__main__":
    main()
