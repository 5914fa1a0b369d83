from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.accounts.principals import Principal
from hub.repos.models import Repository
from hub.xet import readback
from hub.xet.codec.hashes import to_text
from hub.xet.errors import InvalidShard, XorbDamaged
from hub.xet.layouts import Layouts
from hub.xet.models import XetFile, Xorb
from hub.xet.readback import read_back
from tests.hub.xet import uploads, vectors

LONG = vectors.RANDOM_4M.content * 2
# More files than are read at once, and of very different lengths.
CONTENTS = [
    LONG,
    b"one",
    LONG[5:],
    b"two",
    vectors.RANDOM_300K.content,
    *(b"%d" % n for n in range(20)),
    LONG[9:],
]


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("xet-")]


class TestReadBack:
    @pytest.mark.parametrize("at_once", [1, 3])
    def test_hashes_every_file_once(
        self, alice: Principal, model: Repository, monkeypatch: pytest.MonkeyPatch, at_once: int
    ) -> None:
        monkeypatch.setattr(readback, "FILES_AT_ONCE", at_once)
        upload = uploads.of(*CONTENTS)
        uploads.send_xorbs(upload, alice, model)
        counts: Counter[bytes] = Counter()
        digests: dict[bytes, bytes] = {}
        for hashed in read_back(upload.shard.files, Layouts()):
            assert hashed.file.hash not in digests
            counts[hashed.file.hash] += hashed.count
            if hashed.digest is not None:
                digests[hashed.file.hash] = hashed.digest
        for content, file in zip(CONTENTS, upload.shard.files, strict=True):
            assert digests[file.hash] == hashlib.sha256(content).digest()
            assert counts[file.hash] == len(content)

    def test_stops_at_a_damaged_chunk(self, alice: Principal, model: Repository, store_folder: Path) -> None:
        upload = uploads.of(LONG, b"short")
        uploads.send_xorbs(upload, alice, model)
        path = store_folder / Xorb.objects.get().key
        damaged = bytearray(path.read_bytes())
        damaged[len(damaged) // 2] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(XorbDamaged):
            uploads.send_shard(upload, alice, model)
        assert Xorb.objects.get().state == Xorb.State.DAMAGED

    def test_one_wrong_sha256_among_many_refuses_the_shard(self, alice: Principal, model: Repository) -> None:
        upload = uploads.of(*CONTENTS).changed(sha256=bytes(32))
        uploads.send_xorbs(upload, alice, model)
        with pytest.raises(InvalidShard, match=to_text(upload.shard.files[0].hash)):
            uploads.send_shard(upload, alice, model)
        assert not XetFile.objects.exists()
