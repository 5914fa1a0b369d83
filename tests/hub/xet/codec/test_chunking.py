from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.xet.codec import chunking, hashes
from hub.xet.codec.xorbs import CHUNK_RAW_MAX
from tests.hub.xet import vectors

DIGEST = "e1d3936666d7ae7a977c958e9afcc75f90aaca758ce5fbe4ece61dffefe1912c"


def cut(data: bytes) -> list[bytes]:
    return list(chunking.read_chunks(io.BytesIO(data).read))


def cut_slowly(data: bytes) -> list[int]:
    """The definition, byte by byte."""
    gear = chunking.GEAR.tolist()
    sizes, size, value = [], 0, 0
    for byte in data:
        value = ((value << 1) + gear[byte]) % 2**64
        size += 1
        if size == CHUNK_RAW_MAX or (size >= chunking.CHUNK_RAW_MIN and value >> 48 == 0):
            sizes.append(size)
            size = value = 0
    return [*sizes, size] if size else sizes


class TestGear:
    def test_is_the_table_of_all_xet_software(self) -> None:
        assert hashlib.sha256(chunking.GEAR.astype("<u8").tobytes()).hexdigest() == DIGEST


class TestReadChunks:
    @pytest.mark.parametrize("vector", vectors.ALL)
    def test_cuts_where_the_client_cuts(self, vector: vectors.Vector) -> None:
        chunks = cut(vector.content)
        assert b"".join(chunks) == vector.content
        if vector.chunk_sizes:
            assert tuple(map(len, chunks)) == vector.chunk_sizes
        assert (
            hashes.to_text(hashes.file_hash((hashes.chunk_hash(chunk), len(chunk)) for chunk in chunks))
            == vector.file
        )

    def test_gives_no_chunk_for_an_empty_file(self) -> None:
        assert cut(b"") == []

    @settings(max_examples=20, deadline=None)
    @given(st.binary(min_size=1, max_size=40), st.integers(1, 12_000), st.integers(0, 300_000))
    def test_follows_the_definition(self, pattern: bytes, times: int, zeros: int) -> None:
        data = vectors.RANDOM_4M.content[: times * 10] + pattern * (times // 4) + bytes(zeros)
        assert [len(chunk) for chunk in cut(data)] == cut_slowly(data)

    def test_agrees_with_the_installed_client(self, tmp_path: Path) -> None:
        hf_xet = pytest.importorskip("hf_xet")
        content = vectors.RANDOM_4M.content * 2 + bytes(1_000_000) + vectors.RANDOM_4M.content[7:]
        path = tmp_path / "file"
        path.write_bytes(content)
        [info] = hf_xet.hash_files([str(path)])
        name = hashes.file_hash((hashes.chunk_hash(chunk), len(chunk)) for chunk in cut(content))
        assert info.hash == hashes.to_text(name)
