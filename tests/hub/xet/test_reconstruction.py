from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.accounts.principals import Principal
from hub.repos.models import Repository
from hub.xet import reconstruction
from hub.xet.codec import hashes, xorbs
from hub.xet.codec.shards import Shard
from hub.xet.codec.xorbs import Layout
from hub.xet.errors import RangeBeyondEnd, XorbDamaged
from hub.xet.layouts import Layouts
from hub.xet.models import XetFile, Xorb
from hub.xet.reconstruction import Run
from tests.hub.xet import uploads, vectors

BIG = vectors.RANDOM_4M.content


@pytest.fixture
def scattered(alice: Principal, model: Repository) -> tuple[XetFile, bytes]:
    """A file whose five terms jump about in two xorbs, one of them compressed; and its content."""
    text = b"".join(b"line %d of a text that compresses\n" % at for at in range(20_000))
    parts = []
    for upload, source in ((uploads.of(BIG), BIG), (uploads.of(text), text)):
        uploads.send(upload, alice, model)
        [(name, body)] = upload.xorbs.items()
        parts.append((hashes.from_text(name), uploads.layout_of(body), source))
    (big, big_layout, _), (small, small_layout, _) = parts
    runs = [
        (big, big_layout, 40, 68),
        (small, small_layout, 1, 3),
        (big, big_layout, 3, 5),
        (big, big_layout, 4, 6),
        (small, small_layout, 0, len(small_layout)),
    ]
    sources = {big: BIG, small: text}
    content = b"".join(
        sources[name][layout.raw_start(first) : layout.raw_start(end)] for name, layout, first, end in runs
    )
    [file] = uploads.send(uploads.Upload({}, Shard([uploads.file_of(content, runs)])), alice, model)
    return file, content


class TestRead:
    def test_gives_the_whole_file(self, scattered: tuple[XetFile, bytes]) -> None:
        file, content = scattered
        assert b"".join(reconstruction.read(file)) == content

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data())
    def test_gives_any_range(self, scattered: tuple[XetFile, bytes], data: st.DataObject) -> None:
        file, content = scattered
        start = data.draw(st.integers(0, len(content)))
        end = data.draw(st.integers(start, len(content) + 10))
        assert b"".join(reconstruction.read(file, start, end)) == content[start:end]

    def test_stops_at_a_wrong_byte_and_marks_the_xorb(
        self, scattered: tuple[XetFile, bytes], store_folder: Path
    ) -> None:
        file, content = scattered
        xorb = Xorb.objects.get(pk=vectors.RANDOM_4M.xorb)
        path = store_folder / xorb.key
        damaged = bytearray(path.read_bytes())
        damaged[-100] ^= 1
        path.write_bytes(damaged)
        got = b""
        with pytest.raises(XorbDamaged):
            for part in reconstruction.read(file):
                got += part
        assert content.startswith(got)
        xorb.refresh_from_db()
        assert xorb.state == Xorb.State.DAMAGED


class TestPlan:
    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data())
    def test_leads_a_client_to_the_bytes_of_any_range(
        self, scattered: tuple[XetFile, bytes], data: st.DataObject
    ) -> None:
        file, content = scattered
        start = data.draw(st.integers(0, len(content) - 1))
        end = data.draw(st.integers(start + 1, len(content)))
        plan = reconstruction.plan(file, start, end)
        got = b""
        for term in plan.terms:
            [fetch] = [
                fetch
                for fetch in plan.fetches[term.run.xorb]
                if fetch.first <= term.run.first and term.run.end <= fetch.end
            ]
            layout = Xorb.objects.get(pk=term.run.xorb).layout
            assert fetch.stored_start == layout.stored_start(fetch.first)
            assert fetch.stored_end == layout.stored_start(fetch.end)
            assert term.raw_bytes == layout.raw_size(term.run.first, term.run.end)
            run = b"".join(reconstruction.read_runs([term.run], Layouts()))
            assert len(run) == term.raw_bytes
            got += run
        assert got[plan.skip : plan.skip + end - start] == content[start:end]
        assert plan.skip < 131_072
        assert len(got) - plan.skip - (end - start) < 131_072

    def test_merges_runs_that_touch(self, scattered: tuple[XetFile, bytes]) -> None:
        plan = reconstruction.plan(scattered[0])
        assert [(fetch.first, fetch.end) for fetch in plan.fetches[vectors.RANDOM_4M.xorb]] == [
            (3, 6),
            (40, 68),
        ]

    def test_clips_a_range_that_ends_behind_the_file(self, scattered: tuple[XetFile, bytes]) -> None:
        file, content = scattered
        assert reconstruction.plan(file, 0, 2**40) == reconstruction.plan(file)
        assert len(reconstruction.plan(file, len(content) - 1, 2**40).terms) == 1

    def test_refuses_a_range_that_begins_behind_the_file(self, scattered: tuple[XetFile, bytes]) -> None:
        file, content = scattered
        with pytest.raises(RangeBeyondEnd):
            reconstruction.plan(file, len(content))


class TestPiecesOfRuns:
    def test_are_small_also_where_chunks_are_stored_in_more_than_they_hold(self) -> None:
        stored = np.arange(1, 201, dtype=np.uint32) * xorbs.CHUNK_STORED_MAX
        layout = Layout(bytes(32 * 200), stored, np.arange(1, 201, dtype=np.uint32))
        layouts = Layouts()
        layouts._kept["swollen"] = layout
        pieces = list(reconstruction.pieces_of_runs([Run("swollen", 0, 200)], layouts))
        assert [piece.run.first for piece in pieces[1:]] == [piece.run.end for piece in pieces[:-1]]
        assert max(piece.stored_end - piece.stored_start for piece in pieces) <= reconstruction.PIECE_BYTES
