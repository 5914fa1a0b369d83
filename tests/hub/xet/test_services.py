from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from pathlib import Path

import pytest
from pytest_django import Settings

from foundation.errors import Unauthenticated
from hub.accounts.principals import ANONYMOUS, Principal
from hub.repos.errors import RepositoryNotFound, StorageQuotaExceeded
from hub.repos.models import Repository
from hub.xet import reconstruction, registration, selectors, services
from hub.xet.codec import hashes, shards, xorbs
from hub.xet.codec.compression import Scheme
from hub.xet.codec.hashes import to_text
from hub.xet.codec.shards import Shard, Term, Terms
from hub.xet.errors import ChunkNotFound, FileNotFound, InvalidShard, InvalidXorb, UnknownXorb, XorbBusy
from hub.xet.models import Shard as ShardRow
from hub.xet.models import XetFile, XetTerm, Xorb
from tests.factories import hub
from tests.factories.hub import NOW
from tests.hub.xet import uploads, vectors

HELLO = uploads.of(vectors.HELLO.content)
TEXT = uploads.of(vectors.TEXT.content)
BIG = vectors.RANDOM_4M.content


def blobs(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


class TestStoreXorb:
    def test_keeps_the_bytes_and_says_that_they_are_new(
        self, alice: Principal, model: Repository, store_folder: Path
    ) -> None:
        assert uploads.send_xorbs(HELLO, alice, model) == [True]
        xorb = Xorb.objects.get()
        assert xorb.hash == vectors.HELLO.xorb
        assert (xorb.stored_bytes, xorb.raw_bytes, xorb.chunk_count) == (19, 11, 1)
        assert (store_folder / xorb.key).read_bytes() == vectors.HELLO_XORB

    def test_keeps_them_once(self, alice: Principal, bob: Principal, model: Repository) -> None:
        uploads.send_xorbs(HELLO, alice, model)
        # The answer to bob does not show that alice had it.
        assert uploads.send_xorbs(HELLO, bob, hub.repository(bob)) == [True]
        assert uploads.send_xorbs(HELLO, bob, hub.repository(bob)) == [False]
        assert set(Xorb.objects.get().senders.values_list("user_id", flat=True)) == {
            alice.user_id,
            bob.user_id,
        }

    def test_keeps_no_footer_of_old_clients(
        self, alice: Principal, model: Repository, store_folder: Path
    ) -> None:
        body = vectors.HELLO_XORB + b"XETBLOB" + bytes(100)
        uploads.send_xorbs(uploads.Upload({vectors.HELLO.xorb: body}), alice, model)
        assert (store_folder / Xorb.objects.get().key).read_bytes() == vectors.HELLO_XORB

    @pytest.mark.parametrize(
        ("name", "body"),
        [
            (vectors.TEXT.xorb, vectors.HELLO_XORB),
            (vectors.HELLO.xorb, vectors.HELLO_XORB.replace(b"world", b"wurld")),
            (vectors.HELLO.xorb, vectors.HELLO_XORB[:-1]),
            (vectors.HELLO.xorb, vectors.HELLO_XORB * 2),
            (vectors.HELLO.xorb, b""),
        ],
    )
    def test_refuses_a_wrong_byte_and_leaves_nothing_behind(
        self, alice: Principal, model: Repository, store_folder: Path, name: str, body: bytes
    ) -> None:
        with pytest.raises(InvalidXorb):
            uploads.send_xorbs(uploads.Upload({name: body}), alice, model)
        assert not Xorb.objects.exists()
        assert blobs(store_folder.parent) == []

    def test_is_for_those_who_may_write_there(self, bob: Principal, model: Repository) -> None:
        with pytest.raises(RepositoryNotFound):
            uploads.send_xorbs(HELLO, bob, model)
        with pytest.raises(Unauthenticated):
            uploads.send_xorbs(HELLO, ANONYMOUS, model)

    def test_asks_to_send_again_what_is_being_deleted(self, alice: Principal, model: Repository) -> None:
        uploads.send_xorbs(HELLO, alice, model)
        Xorb.objects.update(state=Xorb.State.DELETING)
        with pytest.raises(XorbBusy):
            uploads.send_xorbs(HELLO, alice, model)

    def test_takes_a_quarantined_xorb_back(self, alice: Principal, model: Repository) -> None:
        uploads.send_xorbs(HELLO, alice, model)
        Xorb.objects.update(state=Xorb.State.QUARANTINED)
        assert uploads.send_xorbs(HELLO, alice, model) == [False]
        assert Xorb.objects.get().state == Xorb.State.LIVE

    def test_replaces_damaged_bytes(self, alice: Principal, model: Repository, store_folder: Path) -> None:
        uploads.send_xorbs(HELLO, alice, model)
        path = store_folder / Xorb.objects.get().key
        path.write_bytes(b"rot")
        Xorb.objects.update(state=Xorb.State.DAMAGED)
        assert uploads.send_xorbs(HELLO, alice, model) == [True]
        assert path.read_bytes() == vectors.HELLO_XORB
        assert Xorb.objects.get().state == Xorb.State.LIVE

    def test_keeps_offsets_and_bytes_together_when_two_send_it_compressed_otherwise(
        self, alice: Principal, model: Repository, store_folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Both found that it is not there, and both have stored it; the second one's bytes stay."""
        plain = {vectors.TEXT.xorb: xorbs.serialize([vectors.TEXT.content], Scheme.NONE)}
        monkeypatch.setattr(registration, "claim_xorb", lambda *_, **__: False)
        uploads.send_xorbs(TEXT, alice, model)
        uploads.send_xorbs(uploads.Upload(plain), alice, model)
        [stored] = plain.values()
        xorb = Xorb.objects.get()
        assert (store_folder / xorb.key).read_bytes() == stored
        assert xorb.stored_bytes == xorb.layout.stored_bytes == len(stored)
        uploads.send_shard(TEXT, alice, model)
        assert b"".join(reconstruction.read(XetFile.objects.get())) == vectors.TEXT.content


class TestRegisterShard:
    def test_makes_a_file_that_reads_back(self, alice: Principal, model: Repository) -> None:
        [file] = uploads.send(HELLO, alice, model)
        assert file.hash == vectors.HELLO.file
        assert file.sha256 == hashlib.sha256(b"hello world").hexdigest()
        assert b"".join(reconstruction.read(file)) == b"hello world"

    def test_keeps_the_shard_itself(self, alice: Principal, model: Repository, store_folder: Path) -> None:
        uploads.send(HELLO, alice, model)
        assert (store_folder / ShardRow.objects.get().key).read_bytes() == vectors.HELLO_SHARD

    def test_says_whether_anything_was_new(self, alice: Principal, model: Repository) -> None:
        uploads.send_xorbs(HELLO, alice, model)
        assert uploads.send_shard(HELLO, alice, model) is True
        assert uploads.send_shard(HELLO, alice, model) is False
        assert ShardRow.objects.count() == 1

    def test_takes_files_made_of_xorbs_that_came_earlier(self, alice: Principal, model: Repository) -> None:
        first = uploads.of(BIG)
        uploads.send(first, alice, model)
        [(name, body)] = first.xorbs.items()
        layout = uploads.layout_of(body)
        key = hashes.from_text(name)
        content = BIG[: layout.raw_start(10)] + BIG[layout.raw_start(20) :]
        file = uploads.file_of(content, [(key, layout, 0, 10), (key, layout, 20, len(layout))])
        [made] = uploads.send(uploads.Upload({}, Shard([file])), alice, model)
        assert b"".join(reconstruction.read(made)) == content

    def test_refuses_lies_and_leaves_nothing_behind(self, alice: Principal, model: Repository) -> None:
        [xorb] = HELLO.shard.xorbs
        name = xorb.hash
        lies = {
            "another SHA-256": HELLO.changed(sha256=bytes(32)),
            "without its SHA-256": HELLO.changed(sha256=None),
            "without range hashes": HELLO.changed(range_hashes=None),
            "range hash of term 0": HELLO.changed(range_hashes=uploads.range_hashes_of([bytes(32)])),
            "does not consist of": HELLO.changed(hash=bytes(32)),
            "no terms": HELLO.changed(terms=Terms.of([]), range_hashes=memoryview(b"")),
            "outside of its xorb": HELLO.changed(terms=Terms.of([Term(name, 0, 2, 11)])),
            "outside": HELLO.changed(terms=Terms.of([Term(name, 1, 1, 0)])),
            "another size": HELLO.changed(terms=Terms.of([Term(name, 0, 1, 12)])),
            "not those that were sent": replace(
                HELLO, shard=replace(HELLO.shard, xorbs=[replace(xorb, chunk_hashes=bytes(32))])
            ),
        }
        uploads.send_xorbs(HELLO, alice, model)
        for reason, lie in lies.items():
            with pytest.raises(InvalidShard, match=reason):
                uploads.send_shard(lie, alice, model)
        assert not XetFile.objects.exists()
        assert not ShardRow.objects.exists()

    def test_refuses_a_short_shard_that_describes_more_than_may_come(
        self, alice: Principal, model: Repository, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A thousand terms of one xorb: refused before a byte of them is read."""
        uploads.send_xorbs(HELLO, alice, model)
        [(name, body)] = HELLO.xorbs.items()
        runs = [(hashes.from_text(name), uploads.layout_of(body), 0, 1)] * 1000
        bomb = uploads.Upload({}, Shard([uploads.file_of(b"hello world" * 1000, runs)]))
        monkeypatch.setattr(reconstruction, "read_runs", lambda *_: pytest.fail("It was read."))
        settings.LFS_OBJECT_BYTES_MAX = 10_999
        with pytest.raises(InvalidShard, match="11000 bytes"):
            uploads.send_shard(bomb, alice, model)
        settings.LFS_OBJECT_BYTES_MAX, settings.DEFAULT_STORAGE_QUOTA_BYTES = 11_000, 10_999
        with pytest.raises(StorageQuotaExceeded):
            uploads.send_shard(bomb, alice, model)

    def test_refuses_a_second_sha256_for_a_known_file(self, alice: Principal, model: Repository) -> None:
        uploads.send(HELLO, alice, model)
        with pytest.raises(InvalidShard, match="another SHA-256"):
            uploads.send_shard(HELLO.changed(sha256=bytes(32)), alice, model)

    @pytest.mark.parametrize("body", [b"", b"junk", vectors.HELLO_SHARD[:-48]])
    def test_refuses_what_is_no_shard(self, alice: Principal, model: Repository, body: bytes) -> None:
        with pytest.raises(InvalidShard):
            list(services.register_shard(actor=alice, repository=model, read=io.BytesIO(body).read, now=NOW))

    def test_refuses_a_xorb_that_was_never_sent(self, alice: Principal, model: Repository) -> None:
        with pytest.raises(UnknownXorb, match=vectors.HELLO.xorb):
            uploads.send_shard(HELLO, alice, model)

    def test_refuses_a_strangers_xorb_as_if_it_were_not_there(
        self, alice: Principal, bob: Principal, model: Repository
    ) -> None:
        uploads.send(HELLO, alice, model)
        with pytest.raises(UnknownXorb):
            uploads.send_shard(HELLO, bob, hub.repository(bob))
        uploads.send_xorbs(HELLO, bob, hub.repository(bob))
        assert uploads.send_shard(HELLO, bob, hub.repository(bob)) is True

    def test_makes_a_file_whole_again_when_it_comes_anew(
        self, alice: Principal, model: Repository, store_folder: Path
    ) -> None:
        [file] = uploads.send(HELLO, alice, model)
        (store_folder / Xorb.objects.get().key).write_bytes(b"rot")
        Xorb.objects.update(state=Xorb.State.DAMAGED)
        with pytest.raises(UnknownXorb):
            uploads.send_shard(HELLO, alice, model)
        uploads.send(HELLO, alice, model)
        assert b"".join(reconstruction.read(file)) == b"hello world"
        assert XetTerm.objects.count() == 1


class TestGetFile:
    def test_hides_a_file_from_strangers(self, alice: Principal, bob: Principal, model: Repository) -> None:
        [file] = uploads.send(HELLO, alice, model)
        assert selectors.get_file(actor=alice, repository=model, name=file.hash) == file
        for stranger in (bob, ANONYMOUS):
            with pytest.raises(FileNotFound):
                selectors.get_file(actor=stranger, repository=model, name=file.hash)

    def test_shows_it_through_the_repositories_that_hold_it(
        self, alice: Principal, bob: Principal, model: Repository
    ) -> None:
        """A token is for one repository, and opens no other one of its user."""
        [file] = uploads.send(HELLO, alice, model)
        public, other = hub.repository(alice), hub.repository(alice)
        uploads.send_shard(HELLO, alice, public)
        assert selectors.get_file(actor=bob, repository=public, name=file.hash) == file
        with pytest.raises(FileNotFound):
            selectors.get_file(actor=alice, repository=other, name=file.hash)


class TestAnswerChunkQuery:
    def ask(self, actor: Principal, content: bytes = BIG) -> shards.Shard:
        chunk = to_text(
            hashes.chunk_hash(content[: next(iter(uploads.of(content).shard.xorbs)).raw_lengths[0]])
        )
        answer = services.answer_chunk_query(actor=actor, chunk=chunk, now=NOW)
        key = answer[-200 + 72 : -200 + 104]
        self.blinded = {hashes.blinded(name, key) for name in self.chunk_names(content)}
        return shards.read_shard(answer)

    def chunk_names(self, content: bytes) -> set[bytes]:
        [xorb] = uploads.of(content).shard.xorbs
        return {xorb.chunk_hashes[at : at + 32] for at in range(0, len(xorb.chunk_hashes), 32)}

    def test_names_the_xorb_with_blinded_chunks(self, alice: Principal, model: Repository) -> None:
        uploads.send(uploads.of(BIG), alice, model)
        [xorb] = self.ask(alice).xorbs
        assert to_text(xorb.hash) == vectors.RANDOM_4M.xorb
        shown = {xorb.chunk_hashes[at : at + 32] for at in range(0, len(xorb.chunk_hashes), 32)}
        assert shown == self.blinded

    def test_uses_another_key_every_time(self, alice: Principal, model: Repository) -> None:
        uploads.send(uploads.of(BIG), alice, model)
        assert self.ask(alice).xorbs[0].chunk_hashes != self.ask(alice).xorbs[0].chunk_hashes

    def test_tells_a_stranger_nothing(self, alice: Principal, bob: Principal, model: Repository) -> None:
        uploads.send(uploads.of(BIG), alice, model)
        with pytest.raises(ChunkNotFound):
            self.ask(bob)

    def test_hides_chunks_of_private_files_in_a_shared_xorb(
        self, alice: Principal, bob: Principal, model: Repository
    ) -> None:
        both = uploads.of(BIG, vectors.FLOATS)
        uploads.send(both, alice, model)
        public = uploads.Upload({}, Shard(both.shard.files[:1]))
        uploads.send_shard(public, alice, hub.repository(alice))
        [xorb] = self.ask(bob).xorbs
        shown = [xorb.chunk_hashes[at : at + 32] for at in range(0, len(xorb.chunk_hashes), 32)]
        assert set(shown[:-1]) == self.blinded
        assert len(shown) == 69

    def test_names_all_xorbs_that_came_with_the_chunk(self, alice: Principal, model: Repository) -> None:
        first, second = uploads.of(BIG), uploads.of(vectors.FLOATS * 40)
        uploads.send_xorbs(first, alice, model)
        together = uploads.Upload(
            second.xorbs,
            Shard([*first.shard.files, *second.shard.files], [*first.shard.xorbs, *second.shard.xorbs]),
        )
        uploads.send(together, alice, model)
        assert {to_text(xorb.hash) for xorb in self.ask(alice).xorbs} == {*first.xorbs, *second.xorbs}
