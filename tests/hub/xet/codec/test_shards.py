from __future__ import annotations

import hashlib
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.xet.codec import hashes, shards
from hub.xet.codec.errors import Malformed
from hub.xet.codec.shards import Footer, Shard, ShardFile, ShardXorb, Term, Terms
from tests.hub.xet import vectors
from tests.hub.xet.uploads import range_hashes_of

NAMES = st.binary(min_size=32, max_size=32).filter(lambda name: name != b"\xff" * 32)
U32 = st.integers(0, 2**32 - 1)


@st.composite
def shard_files(draw: st.DrawFn) -> ShardFile:
    terms = draw(st.lists(st.builds(Term, NAMES, U32, U32, U32), max_size=5))
    count = len(terms)
    proofs = draw(st.none() | st.lists(NAMES, min_size=count, max_size=count).map(range_hashes_of))
    return ShardFile(draw(NAMES), Terms.of(terms), proofs, draw(st.none() | NAMES))


@st.composite
def shard_xorbs(draw: st.DrawFn) -> ShardXorb:
    chunks = draw(st.lists(st.tuples(NAMES, st.integers(1, 131_072)), min_size=1, max_size=5))
    lengths = np.array([length for _, length in chunks], np.uint32)
    return ShardXorb(draw(NAMES), b"".join(name for name, _ in chunks), lengths, draw(U32))


def same(one: ShardXorb, other: ShardXorb) -> bool:
    return (one.hash, one.chunk_hashes, one.stored_bytes, one.raw_lengths.tolist()) == (
        other.hash,
        other.chunk_hashes,
        other.stored_bytes,
        other.raw_lengths.tolist(),
    )


def unpacked(file: ShardFile) -> tuple[object, ...]:
    proofs = None if file.range_hashes is None else [file.range_hash(at) for at in range(len(file.terms))]
    return file.hash, list(file.terms), proofs, file.sha256


class TestVectors:
    def test_read_an_uploaded_shard(self) -> None:
        shard = shards.read_shard(vectors.HELLO_SHARD)
        [file] = shard.files
        [xorb] = shard.xorbs
        name = hashes.from_text(vectors.HELLO.xorb)
        assert hashes.to_text(file.hash) == vectors.HELLO.file
        assert list(file.terms) == [Term(name, 0, 1, 11)]
        assert file.range_hash(0) == hashes.from_text(vectors.HELLO.proof)
        assert file.sha256 == hashlib.sha256(b"hello world").digest()
        assert file.size == 11
        assert (xorb.hash, xorb.chunk_hashes, xorb.raw_lengths.tolist()) == (name, name, [11])

    def test_write_an_uploaded_shard(self) -> None:
        assert shards.write_shard(shards.read_shard(vectors.HELLO_SHARD)) == vectors.HELLO_SHARD

    def test_write_a_deduplication_answer(self) -> None:
        name = hashes.from_text(vectors.HELLO.xorb)
        xorb = ShardXorb(name, name, np.array([11], np.uint32), stored_bytes=19)
        footer = Footer(vectors.HELLO_ANSWER_KEY, created_s=1700000000, expires_s=1700604800)
        assert shards.write_shard(Shard([], [xorb]), footer) == vectors.HELLO_ANSWER


class TestRoundTrip:
    @given(st.lists(shard_files(), max_size=4), st.lists(shard_xorbs(), max_size=4))
    def test_gives_back_files_and_xorbs(self, files: list[ShardFile], xorbs: list[ShardXorb]) -> None:
        # Bytes behind the second bookend are not read.
        again = shards.read_shard(shards.write_shard(Shard(files, xorbs)) + b"and a footer")
        assert [unpacked(file) for file in again.files] == [unpacked(file) for file in files]
        assert len(again.xorbs) == len(xorbs)
        assert all(map(same, again.xorbs, xorbs))

    def test_ignores_the_footer_size_that_old_clients_claim(self) -> None:
        data = bytearray(vectors.HELLO_SHARD)
        struct.pack_into("<Q", data, 40, 200)
        assert len(shards.read_shard(bytes(data)).files) == 1


class TestHostileShard:
    @given(st.integers(0, len(vectors.HELLO_SHARD) - 1))
    def test_cut_short_anywhere_is_refused(self, size: int) -> None:
        with pytest.raises(Malformed):
            shards.read_shard(vectors.HELLO_SHARD[:size])

    @pytest.mark.parametrize(
        ("at", "value", "reason"),
        [
            (0, b"X", "tag"),
            (32, b"\x03", "version"),
            (48 + 32, b"\x01", "flags"),
            (48 + 36, b"\xff\xff\xff\xff", "inside a section"),
            (48 + 36, b"\x02", "inside a section|flags"),
            (96 + 32, b"\x01", "flags"),
            (288 + 36, b"\xff\xff\xff\xff", "8192 chunks"),
            (288 + 36, b"\x00", "8192 chunks"),
            (288 + 36, b"\x02", "inside a section|contradicts"),
            (288 + 40, b"\x0c", "contradicts"),
            (336 + 32, b"\x01", "contradicts"),
        ],
    )
    def test_with_a_lie_is_refused_with_the_reason(self, at: int, value: bytes, reason: str) -> None:
        data = vectors.HELLO_SHARD[:at] + value + vectors.HELLO_SHARD[at + len(value) :]
        with pytest.raises(Malformed, match=reason):
            shards.read_shard(data)

    def test_promising_billions_of_terms_costs_no_memory(self) -> None:
        data = bytearray(vectors.HELLO_SHARD)
        struct.pack_into("<I", data, 48 + 36, 2**32 - 1)
        tracemalloc.start()
        with pytest.raises(Malformed):
            shards.read_shard(bytes(data))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 100_000

    def test_over_64_mib_is_refused(self) -> None:
        with pytest.raises(Malformed, match="at most"):
            shards.read_shard(bytes(shards.SHARD_MAX + 1))

    @settings(max_examples=300)
    @given(st.data())
    def test_with_bytes_overwritten_never_ends_in_anything_but_a_refusal(self, data: st.DataObject) -> None:
        damaged = bytearray(vectors.HELLO_SHARD)
        for _ in range(data.draw(st.integers(1, 6))):
            damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
        try:
            shards.read_shard(bytes(damaged))
        except Malformed:
            return
