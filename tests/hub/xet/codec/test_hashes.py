from __future__ import annotations

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from hub.xet.codec import hashes
from hub.xet.codec.errors import Malformed
from tests.hub.xet import vectors

BYTES_32 = st.binary(min_size=32, max_size=32)


def cut(content: bytes, sizes: tuple[int, ...]) -> list[bytes]:
    chunks, at = [], 0
    for size in sizes:
        chunks.append(content[at : at + size])
        at += size
    return chunks


class TestText:
    def test_prints_each_group_of_eight_as_a_little_endian_number(self) -> None:
        text = "07060504030201000f0e0d0c0b0a090817161514131211101f1e1d1c1b1a1918"
        assert hashes.to_text(bytes(range(32))) == text

    @given(BYTES_32)
    def test_comes_back_from_text_as_it_went(self, value: bytes) -> None:
        assert hashes.from_text(hashes.to_text(value)) == value

    @pytest.mark.parametrize("text", ["", "0" * 63, "0" * 65, "G" * 64, "A" * 64, "0" * 63 + "\n", "٣" * 64])
    def test_refuses_anything_but_64_lowercase_digits(self, text: str) -> None:
        with pytest.raises(Malformed):
            hashes.from_text(text)


class TestVectors:
    @pytest.mark.parametrize("vector", [v for v in vectors.ALL if v.chunk_sizes])
    def test_agree_with_the_client(self, vector: vectors.Vector) -> None:
        chunks = cut(vector.content, vector.chunk_sizes)
        sized = [(hashes.chunk_hash(chunk), len(chunk)) for chunk in chunks]
        assert hashes.to_text(hashes.xorb_hash(sized)) == vector.xorb
        assert hashes.to_text(hashes.file_hash(sized)) == vector.file
        proof = hashes.range_hash(b"".join(name for name, _ in sized))
        assert hashes.to_text(proof) == vector.proof

    def test_agree_on_each_chunk(self) -> None:
        chunks = cut(vectors.RANDOM_300K.content, vectors.RANDOM_300K.chunk_sizes)
        names = tuple(hashes.to_text(hashes.chunk_hash(chunk)) for chunk in chunks)
        assert names == vectors.RANDOM_300K_CHUNKS

    def test_agree_on_a_tree_of_forty(self) -> None:
        sized = [(hashes.chunk_hash(bytes([at])), at + 1) for at in range(40)]
        assert hashes.to_text(hashes.xorb_hash(sized)) == (
            "934b5662e4782a4001add57e7372e052622b72ef97350ba654476867ff59c3b5"
        )
        assert hashes.to_text(hashes.file_hash(sized)) == (
            "ea6a34812083d6d2c7e947a8266ba9aff8b0d32a3a2271071ef0ce9314444019"
        )
        assert hashes.to_text(hashes.range_hash(b"".join(name for name, _ in sized))) == (
            "3a1762216bcb02cc2b0c775423f2a695481f89c10db35efb33abc09baac099e0"
        )

    def test_agree_on_a_tree_of_three(self) -> None:
        sized = [(hashes.chunk_hash(bytes([at])), at + 1) for at in range(3)]
        assert hashes.to_text(hashes.xorb_hash(sized)) == (
            "52c8b22d2b9067a2eadb3b077b1b55d7b116a3affec3e1e7504114d5f90cd107"
        )
        assert hashes.to_text(hashes.file_hash(sized)) == (
            "6123ad3ec0a78e486ab8357398fe228107d812bc692b40a2087c73cfd938398e"
        )

    def test_name_an_empty_file_by_zeros(self) -> None:
        assert hashes.to_text(hashes.file_hash([])) == "0" * 64

    def test_blind_a_chunk_hash_with_the_key_of_an_answer(self) -> None:
        blinded = hashes.blinded(hashes.from_text(vectors.HELLO.xorb), vectors.HELLO_ANSWER_KEY)
        assert blinded.hex() == "31d3dc125393c45ca75787af264185b4bfa1842fb6f72b9f2c107049743506ef"


class TestEligible:
    @pytest.mark.parametrize(("tail", "expected"), [(0, True), (1024, True), (512, False), (1025, False)])
    def test_asks_for_one_hash_in_1024(self, tail: int, expected: bool) -> None:
        assert hashes.is_eligible(bytes(24) + tail.to_bytes(8, "little")) is expected


def by_rounds(entries: list[hashes.Sized]) -> bytes:
    """The definition, round by round over whole lists."""
    while len(entries) > 1:
        parents = []
        while entries:
            size = min(9, len(entries))
            for at in range(2, size):
                if int.from_bytes(entries[at][0][24:], "little") % 4 == 0:
                    size = at + 1
                    break
            group, entries = entries[:size], entries[size:]
            text = "".join(f"{hashes.to_text(value)} : {length}\n" for value, length in group)
            parents.append(
                (blake3(text.encode(), key=hashes.NODE_KEY).digest(), sum(length for _, length in group))
            )
        entries = parents
    return entries[0][0] if entries else hashes.ZERO


class TestTreeHasher:
    @given(st.integers(0, 700), st.integers(0, 2**32))
    def test_agrees_with_the_definition_for_any_number_of_leaves(self, count: int, seed: int) -> None:
        entries = [(blake3(f"{seed}.{at}".encode()).digest(), at + 1) for at in range(count)]
        assert hashes.tree_hash(entries) == by_rounds(entries)
