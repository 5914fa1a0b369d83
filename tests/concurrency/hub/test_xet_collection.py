"""Uploads, deletions, squashes and collection at once; afterwards every live file is read back."""

from __future__ import annotations

import hashlib
import random
import time
from collections import Counter
from pathlib import Path

import pytest
from pytest_django import Settings

from foundation.errors import Refusal
from hub.accounts.principals import Principal
from hub.lfs import jobs as lfs_jobs
from hub.lfs import selectors as lfs
from hub.repos.models import Repository
from hub.revisions import reachability, selectors
from hub.revisions.operations import AddLfs, DeleteFile
from hub.revisions.services import NewCommit, commit, super_squash
from hub.xet import jobs as xet_jobs
from hub.xet import services
from tests.clock import moment
from tests.concurrency.races import race
from tests.factories import hub
from tests.hub.xet import uploads
from tests.hub.xet.uploads import Upload

SECONDS = 10.0
DAY_S = 86_400
CONTENTS = [random.Random(seed).randbytes(60_000) for seed in range(60)]


class Writer:
    """Somebody by whom files come to a repository and go from it; remembers which must be there."""

    def __init__(self, actor: Principal, repository: Repository, seed: int) -> None:
        self.actor = actor
        self.repository = repository
        self.seed = seed
        self.random = random.Random(seed)
        self.live: dict[str, bytes] = {}
        self.done: Counter[str] = Counter()

    def run(self, until: float) -> None:
        while time.monotonic() < until:
            deed = self.random.choice([self.add, self.add, self.remove, self.squash])
            try:
                deed()
                self.done[deed.__name__] += 1
            except Refusal as refusal:
                # The xorbs of a slow upload may be deleted by now: these seconds stand for weeks.
                self.done[refusal.code] += 1

    def add(self) -> None:
        content = self.random.choice(CONTENTS)
        upload = uploads.of(content)
        self.send(upload)
        oid, path = hashlib.sha256(content).hexdigest(), f"{self.seed}/{self.random.randrange(4)}.bin"
        self.commit(AddLfs(path=path, oid=oid, size=len(content)))
        self.live[path] = content

    def send(self, upload: Upload) -> None:
        now = moment()
        for name, body in upload.xorbs.items():
            read = uploads.reader(body)
            services.store_xorb(actor=self.actor, repository=self.repository, name=name, read=read, now=now)
        read = uploads.reader(upload.shard_bytes)
        list(services.register_shard(actor=self.actor, repository=self.repository, read=read, now=now))

    def remove(self) -> None:
        if self.live:
            path = self.random.choice(sorted(self.live))
            self.commit(DeleteFile(path))
            del self.live[path]

    def squash(self) -> None:
        super_squash(
            actor=self.actor,
            repository=self.fresh(),
            revision="main",
            message="",
            now=moment(),
        )

    def commit(self, operation: AddLfs | DeleteFile) -> None:
        commit(
            actor=self.actor,
            repository=self.fresh(),
            revision="main",
            request=NewCommit(operations=[operation], title="Change"),
            now=moment(),
        )

    def fresh(self) -> Repository:
        return Repository.objects.with_owner().get(pk=self.repository.pk)

    def require_all(self) -> None:
        repository = self.fresh()
        head = selectors.resolve(repository, "main")
        for path, content in self.live.items():
            entry = selectors.get_file(actor=self.actor, repository=repository, commit=head, path=path)
            assert entry.pointer is not None
            stored = lfs.get_object(repository_id=repository.pk, oid=entry.pointer.oid)
            with lfs.open_object(stored) as reader:
                assert b"".join(reader) == content


@pytest.mark.django_db(transaction=True)
class TestCollection:
    @pytest.fixture(autouse=True)
    def hasty(self, settings: Settings, tmp_path: Path) -> None:
        """Seconds in place of weeks."""
        settings.GIT_ROOT = tmp_path / "git"
        settings.BLOB_ROOT = tmp_path / "blobs"
        settings.TEMP_ROOT = tmp_path / "tmp"
        settings.XET_KEEP_DAYS = 1.5 / DAY_S
        settings.XET_QUARANTINE_DAYS = 0.3 / DAY_S
        settings.LFS_GRACE_HOURS = 1.0 / 3600

    def test_never_takes_a_byte_that_a_live_file_needs(self) -> None:
        now, alice, bob = moment(), hub.actor(), hub.actor()
        shared, *others = (hub.repository(actor, now=now) for actor in (alice, alice, bob))
        repositories = [(alice, shared), (alice, shared), (alice, others[0]), (bob, others[1])]
        writers = [Writer(actor, repository, seed) for seed, (actor, repository) in enumerate(repositories)]
        until = time.monotonic() + SECONDS
        collected: Counter[str] = Counter()

        def collect() -> None:
            while time.monotonic() < until:
                now = moment()
                collected["links"] += reachability.drop_unreachable(now=now)
                collected.update(lfs_jobs.collect(now=now))
                collected.update(xet_jobs.collect(now=now))

        outcomes = race(collect, *(lambda writer=writer: writer.run(until) for writer in writers))
        assert outcomes == [None] * (1 + len(writers))
        for writer in writers:
            writer.require_all()
        done = sum((writer.done for writer in writers), Counter[str]())
        assert done["add"] > 10, done
        assert done["squash"] > 2, done
        assert collected["links"] > 0, collected
        assert collected["files"] > 0, collected
        assert collected["quarantined"] > 0, collected
        assert collected["xorbs"] > 0, collected
