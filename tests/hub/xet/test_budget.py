"""A short shard may describe much; what verifying it costs is known and paid before a byte is read."""

from __future__ import annotations

import itertools
import threading

import pytest
from pytest_django.fixtures import Settings

from hub.accounts.principals import Principal
from hub.repos.models import Repository
from hub.xet import budget, services
from hub.xet.codec import hashes
from hub.xet.codec.shards import Shard, Term, Terms
from hub.xet.errors import InvalidShard, VerificationBudgetSpent, VerificationBusy
from hub.xet.layouts import Layouts
from tests.factories.hub import NOW
from tests.hub.xet import uploads, vectors

pytestmark = pytest.mark.django_db


def repeating(content: bytes, times: int) -> uploads.Upload:
    """One xorb, and a file that names it many times over."""
    upload = uploads.of(content)
    [(name, body)] = upload.xorbs.items()
    layout = uploads.layout_of(body)
    run = (hashes.from_text(name), layout, 0, len(layout))
    return uploads.Upload(upload.xorbs, Shard([uploads.file_of(content * times, [run] * times)]))


class TestPrice:
    def test_counts_repeated_bytes_four_times(self, alice: Principal, model: Repository) -> None:
        upload = repeating(vectors.RANDOM_4M.content, 3)
        uploads.send_xorbs(upload, alice, model)
        size, [file] = len(vectors.RANDOM_4M.content), upload.shard.files
        assert budget.price_of([file], Layouts()) == (
            3 * size + 3 * 2 * size + budget.CHUNK_COSTS * file.terms.chunks
        )

    def test_is_paid_by_the_hour(self, alice: Principal, model: Repository, settings: Settings) -> None:
        settings.XET_VERIFY_BYTES_PER_HOUR = 1_000_000
        settings.REDIS_PREFIX = "price-by-the-hour"
        uploads.send(uploads.of(vectors.RANDOM_4M.content), alice, model)
        with pytest.raises(VerificationBudgetSpent):
            uploads.send(uploads.of(vectors.HELLO.content), alice, model)
        with pytest.raises(VerificationBudgetSpent):
            budget.spend(alice, 1, now=NOW)
        budget.spend(alice, 1, now=NOW.replace(hour=NOW.hour + 1))

    def test_of_known_files_is_nothing(self, alice: Principal, model: Repository, settings: Settings) -> None:
        settings.XET_VERIFY_BYTES_PER_HOUR = 1_000_000
        settings.REDIS_PREFIX = "price-of-known-files"
        upload = uploads.of(vectors.RANDOM_4M.content)
        uploads.send(upload, alice, model)
        uploads.send(upload, alice, model)

    def test_of_more_chunks_than_bytes_can_have_is_refused_unread(
        self, alice: Principal, model: Repository
    ) -> None:
        terms = Terms.of([Term(bytes(32), 0, 8192, 8192)] * 20)
        file = uploads.of(b"x").shard.files[0]
        lie = type(file)(file.hash, terms, None, file.sha256)
        with pytest.raises(InvalidShard, match="too many"):
            uploads.send_shard(uploads.Upload({}, Shard([lie])), alice, model)


class TestTurns:
    def test_are_one_of_a_user_and_two_at_once(self) -> None:
        turns = budget.Turns()
        with turns.turn(1) as first, turns.turn(1) as same, turns.turn(2) as second, turns.turn(3) as third:
            assert first.begin(0)
            assert not same.begin(0)
            assert second.begin(0)
            assert not third.begin(0)

    def test_are_given_on_when_one_ends(self) -> None:
        turns = budget.Turns()
        began = threading.Event()

        def follow() -> None:
            with turns.turn(1) as turn:
                assert turn.begin(60)
                began.set()

        with turns.turn(1) as first:
            assert first.begin(0)
            follower = threading.Thread(target=follow)
            follower.start()
            assert not began.is_set()
        assert began.wait(60)
        follower.join()

    def test_are_waited_for_by_a_few_alone(self) -> None:
        turns = budget.Turns()
        waiting = [turns.turn(number) for number in range(budget.WAITING_MAX)]
        for each in waiting:
            each.__enter__()
        with pytest.raises(VerificationBusy), turns.turn(9):
            pass
        for each in waiting:
            each.__exit__(None, None, None)
        with turns.turn(9) as turn:
            assert turn.begin(0)

    def test_say_that_they_are_waited_for(
        self, alice: Principal, model: Repository, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(budget, "SHORT_PRICE", 0)
        monkeypatch.setattr(services.verification, "HEARTBEAT_S", 0.01)
        upload = uploads.of(vectors.HELLO.content)
        uploads.send_xorbs(upload, alice, model)
        with budget.turns.turn(alice.user_id or 0) as other:
            assert other.begin(0)
            events = services.register_shard(
                actor=alice, repository=model, read=uploads.reader(upload.shard_bytes), now=NOW
            )
            waited = list(itertools.islice(events, 2))
            assert [type(event) for event in waited] == [services.Progress] * 2
        assert isinstance(list(events)[-1], services.Registered)
