from __future__ import annotations

import io
import struct
import tracemalloc

import lz4.frame
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.xet.codec import chunking, compression, hashes, xorbs
from hub.xet.codec.compression import Scheme
from hub.xet.codec.errors import Malformed
from tests.hub.xet import vectors


def header(*, stored: int, raw: int, scheme: int = Scheme.NONE, version: int = xorbs.VERSION) -> bytes:
    lengths = (stored.to_bytes(3, "little"), raw.to_bytes(3, "little"))
    return struct.pack("<B3sB3s", version, lengths[0], scheme, lengths[1])


def read(data: bytes) -> xorbs.Layout:
    return xorbs.read_layout(io.BytesIO(data).read)


class TestVectors:
    def test_store_an_incompressible_chunk_as_it_is(self) -> None:
        assert xorbs.pack_chunk(vectors.HELLO.content) == vectors.HELLO_XORB

    @pytest.mark.parametrize(
        ("data", "vector"),
        [
            (vectors.HELLO_XORB, vectors.HELLO),
            (vectors.TEXT_XORB, vectors.TEXT),
            (vectors.GROUPED_XORB, vectors.GROUPED),
        ],
    )
    def test_read_what_the_client_wrote(self, data: bytes, vector: vectors.Vector) -> None:
        [chunk] = xorbs.read_chunks(io.BytesIO(data).read)
        assert chunk.unpack() == vector.content
        assert hashes.to_text(xorbs.layout_hash(read(data))) == vector.xorb

    def test_lie_where_the_client_puts_them(self) -> None:
        chunks = list(chunking.read_chunks(io.BytesIO(vectors.RANDOM_300K.content).read))
        layout = read(xorbs.serialize(chunks, Scheme.NONE))
        starts = tuple(layout.stored_start(at) for at in range(len(layout)))
        assert starts == vectors.RANDOM_300K_STARTS
        assert layout.raw_bytes == 300_000

    def test_size_a_random_xorb_as_the_client_does(self) -> None:
        chunks = list(chunking.read_chunks(io.BytesIO(vectors.RANDOM_4M.content).read))
        data = xorbs.serialize(chunks)
        assert len(chunks) == 68
        assert len(data) == 4_194_848


class TestRoundTrip:
    @given(
        st.lists(st.binary(min_size=1, max_size=3000), min_size=1, max_size=12),
        st.sampled_from([*Scheme, None]),
    )
    def test_gives_back_every_chunk_under_every_scheme(
        self, chunks: list[bytes], scheme: Scheme | None
    ) -> None:
        data = xorbs.serialize(chunks, scheme)
        assert [chunk.unpack() for chunk in xorbs.read_chunks(io.BytesIO(data).read)] == chunks
        layout = read(data)
        assert layout.stored_bytes == len(data)
        assert layout.raw_lengths(0, len(layout)) == [len(chunk) for chunk in chunks]
        assert layout.sized_chunks(0, len(layout)) == [(hashes.chunk_hash(c), len(c)) for c in chunks]

    @given(st.binary(max_size=600))
    def test_groups_and_joins_bytes_of_any_length(self, data: bytes) -> None:
        assert compression.joined(compression.grouped(data)) == data

    def test_keeps_a_layout_through_its_packed_form(self) -> None:
        layout = read(xorbs.serialize([b"one", b"three", b"seven"]))
        again = xorbs.Layout.unpack(
            hashes=layout.hashes,
            stored_ends=layout.pack_stored_ends(),
            raw_ends=layout.pack_raw_ends(),
        )
        assert again.raw_lengths(1, 3) == [5, 5]
        assert again.raw_size(1, 3) == 10
        assert xorbs.layout_hash(again) == xorbs.layout_hash(layout)

    @pytest.mark.parametrize("size", [1, 7, 1000, 70_000])
    def test_is_the_same_however_the_bytes_come(self, size: int) -> None:
        chunks = [vectors.TEXT.content, bytes(xorbs.CHUNK_RAW_MAX), vectors.RANDOM_300K.content[:100_000]]
        source = io.BytesIO(xorbs.serialize(chunks))
        layout = xorbs.read_layout(lambda wanted: source.read(min(wanted, size)))
        assert layout.raw_lengths(0, 3) == [len(chunk) for chunk in chunks]
        assert layout.hashes == b"".join(map(hashes.chunk_hash, chunks))
        assert source.tell() == layout.stored_bytes


class TestFooter:
    def test_of_an_old_client_is_no_part_of_the_layout(self) -> None:
        data = xorbs.serialize([b"one"])
        layout = read(data + b"XETBLOB\x01 and more")
        assert layout.stored_bytes == len(data)
        assert len(layout) == 1


class TestHostileXorb:
    @pytest.mark.parametrize(
        ("data", "reason"),
        [
            (b"", "at least one chunk"),
            (b"XETBLOB\x00", "at least one chunk"),
            (vectors.HELLO_XORB[:5], "inside a chunk header"),
            (vectors.HELLO_XORB[:-1], "inside a chunk"),
            (vectors.HELLO_XORB + b"\x00", "inside a chunk header"),
            (header(stored=1, raw=1, version=1) + b"x", "version"),
            (header(stored=1, raw=1, scheme=99) + b"x", "scheme"),
            (header(stored=1, raw=0) + b"x", "1 to 131072"),
            (header(stored=0, raw=1), "stored in 1 to"),
            (header(stored=1, raw=131_073) + b"x", "1 to 131072"),
            (header(stored=262_145, raw=1) + bytes(262_145), "stored in 1 to"),
            (header(stored=2, raw=1) + b"xx", "stored in 2"),
            (header(stored=4, raw=9, scheme=Scheme.LZ4) + b"junk", "LZ4"),
        ],
    )
    def test_is_refused_with_the_reason(self, data: bytes, reason: str) -> None:
        with pytest.raises(Malformed, match=reason):
            read(data)

    @pytest.mark.parametrize("claimed", [1, 899, 901, 131_072])
    def test_lying_about_its_unpacked_size_is_refused(self, claimed: int) -> None:
        frame = vectors.TEXT_XORB[8:]
        with pytest.raises(Malformed, match="LZ4"):
            read(header(stored=len(frame), raw=claimed, scheme=Scheme.LZ4) + frame)

    @pytest.mark.parametrize("damage", [b"x", vectors.TEXT_XORB[8:]])
    def test_with_bytes_behind_the_frame_is_refused(self, damage: bytes) -> None:
        frame = vectors.TEXT_XORB[8:] + damage
        with pytest.raises(Malformed, match="LZ4"):
            read(header(stored=len(frame), raw=900, scheme=Scheme.LZ4) + frame)

    def test_cut_inside_its_frame_is_refused(self) -> None:
        frame = vectors.TEXT_XORB[8:-6]
        with pytest.raises(Malformed, match="LZ4"):
            read(header(stored=len(frame), raw=900, scheme=Scheme.LZ4) + frame)

    @pytest.mark.parametrize("scheme", [Scheme.LZ4, Scheme.GROUPED_LZ4])
    def test_that_is_a_bomb_is_refused_in_flat_memory(self, scheme: Scheme) -> None:
        bomb = lz4.frame.compress(bytes(60_000_000))
        assert len(bomb) < xorbs.CHUNK_STORED_MAX
        data = header(stored=len(bomb), raw=xorbs.CHUNK_RAW_MAX, scheme=scheme) + bomb
        tracemalloc.start()
        with pytest.raises(Malformed):
            read(data)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 2_000_000

    def test_with_too_many_chunks_is_refused(self) -> None:
        with pytest.raises(Malformed, match="8192 chunks"):
            read(vectors.HELLO_XORB * (xorbs.CHUNKS_MAX + 1))

    def test_that_unpacks_to_more_than_64_mib_is_refused(self) -> None:
        chunk = xorbs.pack_chunk(bytes(xorbs.CHUNK_RAW_MAX), Scheme.LZ4)
        assert read(chunk * 512).raw_bytes == xorbs.RAW_MAX
        with pytest.raises(Malformed, match="67108864 bytes"):
            read(chunk * 513)

    @settings(max_examples=300)
    @given(st.binary(max_size=200))
    def test_of_arbitrary_bytes_never_ends_in_anything_but_a_refusal(self, data: bytes) -> None:
        try:
            layout = read(data)
        except Malformed:
            return
        assert len(layout) > 0

    @settings(max_examples=300)
    @given(st.data())
    def test_with_one_bit_turned_is_refused_or_gets_another_name(self, data: st.DataObject) -> None:
        whole = vectors.HELLO_XORB + vectors.TEXT_XORB + vectors.GROUPED_XORB
        turned = bytearray(whole)
        at = data.draw(st.integers(0, len(whole) * 8 - 1))
        turned[at // 8] ^= 1 << at % 8
        try:
            layout = read(bytes(turned))
        except Malformed:
            return
        same = [chunk.unpack() for chunk in xorbs.read_chunks(io.BytesIO(bytes(turned)).read)]
        content = [vectors.HELLO.content, vectors.TEXT.content, vectors.FLOATS]
        renamed = xorbs.layout_hash(layout) != xorbs.layout_hash(read(whole))
        assert renamed == (same != content)


class TestXorbWriter:
    def test_writes_what_the_reader_reads(self) -> None:
        file = io.BytesIO()
        writer = xorbs.XorbWriter(file)
        assert [writer.add(chunk) for chunk in (b"one", bytes(5000))] == [0, 1]
        layout = read(file.getvalue())
        assert xorbs.layout_hash(writer.layout()) == xorbs.layout_hash(layout)
        assert writer.layout().stored_ends.tolist() == layout.stored_ends.tolist()

    def test_is_full_at_64_mib(self) -> None:
        writer = xorbs.XorbWriter(io.BytesIO())
        chunk = bytes(xorbs.CHUNK_RAW_MAX)
        count = 0
        while writer.has_room_for(chunk):
            writer.add(chunk)
            count += 1
        assert count == 512
        assert not writer.has_room_for(b"x")

    def test_refuses_a_chunk_out_of_bounds(self) -> None:
        with pytest.raises(ValueError, match="1 to 131072"):
            xorbs.pack_chunk(b"")
