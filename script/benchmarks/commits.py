"""The cost of a commit of many small files: its blobs and its trees, against writing them one by one.

    python script/benchmarks/commits.py [--files 50000] [--folders 9980] [--one-by-one 2000]

The control writes fewer, because it syncs each; its time is shown for the whole number.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bazaar.settings.test")

import django

django.setup()

import pygit2
from pygit2.enums import FileMode, ObjectType

from hub import gitstore  # noqa: F401 - lets libgit2 sync what it writes
from hub.gitstore.blobs import BlobWriter
from hub.gitstore.trees import TreeWriter, plan


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def contents(count: int, mark: bytes) -> list[bytes]:
    return [b"%b %d\n" % (mark, number) * 40 for number in range(count)]


def write_blobs(raw: pygit2.Repository, files: list[bytes]) -> None:
    with BlobWriter(raw) as writer:
        for data in files:
            writer.add(data)


def write_trees(raw: pygit2.Repository, folders: int, blob: str) -> None:
    writer = TreeWriter(raw)
    writer.edit(None, plan({f"{n % 10}/{n}/file": (blob, FileMode.BLOB) for n in range(folders - 11)}))
    writer.store()


def trees_one_by_one(raw: pygit2.Repository, count: int, blob: str) -> None:
    for number in range(count):
        entry = b"100644 control-%d\0" % number + bytes.fromhex(blob)
        raw.odb.write(ObjectType.TREE, entry)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=50_000)
    parser.add_argument("--folders", type=int, default=9_980)
    parser.add_argument("--one-by-one", type=int, default=2_000)
    parser.add_argument("--folder", help="where to write; a disk that keeps its word")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        raw = pygit2.init_repository(f"{folder}/some.git", bare=True)
        blob = str(raw.create_blob(b"x"))
        few = options.one_by_one
        for what, count, ours, control in (
            (
                "blobs",
                options.files,
                lambda: write_blobs(raw, contents(options.files, b"ours")),
                lambda: [raw.create_blob(data) for data in contents(few, b"control")],
            ),
            (
                "trees",
                options.folders,
                lambda: write_trees(raw, options.folders, blob),
                lambda: trees_one_by_one(raw, few, blob),
            ),
        ):
            one_by_one = seconds(control) * count / few
            taken = seconds(ours)
            print(f"{count} {what}: {taken:.2f} s, one by one {one_by_one:.2f} s, {one_by_one / taken:.0f} ×")


if __name__ == "__main__":
    main()
