from __future__ import annotations

import os
import signal
import subprocess
import threading
import warnings
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
import redis
from pytest_django import Settings

from bazaar.server import processes
from bazaar.server import redis as redis_server
from foundation import redis_connection
from hub.downloads import buffer, counters, jobs, selectors
from hub.downloads.models import DailyDownloads
from hub.repos.models import Repository
from tests.hub.search.catalogue import NOW, add
from tests.waiting import until

pytestmark = pytest.mark.django_db


class OwnRedis:
    """A Redis as the hub runs it, that a test may stop and kill."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "r.sock"
        self.start()

    def start(self) -> None:
        self.process = redis_server.start(
            socket_path=self.socket, folder=self.folder, output=subprocess.DEVNULL
        )
        processes.wait_until(lambda: redis_server.answers(self.socket), what="Redis", process=self.process)

    def stop(self) -> None:
        processes.stop(self.process)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def own_redis(tmp_path: Path, settings: Settings) -> Iterator[OwnRedis]:
    own = OwnRedis(tmp_path)
    settings.REDIS_URL = f"unix://{own.socket}"
    yield own
    redis_connection.connection().close()
    with suppress(ProcessLookupError):
        own.stop()


@pytest.fixture(autouse=True)
def _empty(settings: Settings, request: pytest.FixtureRequest) -> None:
    settings.REDIS_PREFIX = f"test-downloads-{request.node.name}"


def fetch(repository: Repository, requester: str = "u1", now: datetime = NOW, times: int = 1) -> None:
    for _ in range(times):
        buffer.add(repository_id=repository.pk, requester=requester, now=now)
    buffer.send()


def totals(repository: Repository) -> tuple[int, int]:
    repository.refresh_from_db()
    return repository.downloads_30d, repository.downloads_total


class TestRecord:
    def test_counts_one_requester_once_an_hour_for_each_repository(self) -> None:
        one, two = add("a/one"), add("a/two")
        fetch(one, times=40)
        fetch(one, "u2")
        fetch(two)
        fetch(one, now=NOW + timedelta(hours=1), times=3)
        jobs.flush(now=NOW)
        assert totals(one) == (3, 3)
        assert totals(two) == (1, 1)

    def test_counts_every_request_apart(self) -> None:
        one = add("a/one")
        fetch(one, times=40)
        jobs.flush(now=NOW)
        assert DailyDownloads.objects.get(repository=one).requests == 40

    def test_keeps_days_apart_by_universal_time(self) -> None:
        one = add("a/one")
        late = datetime.fromisoformat("2026-11-22T23:59:00+00:00")
        fetch(one, now=late)
        fetch(one, now=late + timedelta(minutes=2))
        jobs.flush(now=late)
        assert selectors.by_day(one, today=date(2026, 11, 23), days=3) == [
            (date(2026, 11, 21), 0),
            (date(2026, 11, 22), 1),
            (date(2026, 11, 23), 1),
        ]

    def test_waits_while_redis_is_away(self, own_redis: OwnRedis) -> None:
        one = add("a/one")
        own_redis.stop()
        buffer.add(repository_id=one.pk, requester="u1", now=NOW)
        with pytest.raises(redis.ConnectionError):
            buffer.send()
        own_redis.start()
        buffer.add(repository_id=one.pk, requester="u1", now=NOW)
        jobs.flush(now=NOW)
        assert totals(one) == (1, 1)
        assert DailyDownloads.objects.get(repository=one).requests == 2

    def test_is_sent_by_a_process_that_ends_if_redis_is_there(self, own_redis: OwnRedis) -> None:
        one = add("a/one")
        buffer.add(repository_id=one.pk, requester="u1", now=NOW)
        buffer.send_last()
        assert redis_connection.connection().exists(redis_connection.key("downloads", "pending"))
        own_redis.stop()
        buffer.add(repository_id=one.pk, requester="u1", now=NOW)
        buffer.send_last()

    def test_reaches_redis_without_being_asked(self) -> None:
        one = add("a/one")
        buffer.add(repository_id=one.pk, requester="u1", now=NOW)
        pending = redis_connection.key("downloads", "pending")
        until(lambda: redis_connection.connection().exists(pending))

    def test_tells_many_at_once_and_each_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(buffer, "FETCHES_AT_ONCE", 7)
        one = add("a/one")
        for number in range(40):
            buffer.add(repository_id=one.pk, requester=f"u{number}", now=NOW)
        jobs.flush(now=NOW)
        assert totals(one) == (40, 40)

    def test_outlives_an_error_that_nobody_thought_of(self, monkeypatch: pytest.MonkeyPatch) -> None:
        one = add("a/one")
        own = buffer.Buffer()
        with monkeypatch.context() as patch:
            patch.setattr(counters, "add", lambda *_: 1 // 0)
            own._put(
                counters.hour_of(NOW), {counters.fetch_of(repository_id=one.pk, requester="u1", now=NOW): 1}
            )
            with pytest.raises(ZeroDivisionError):
                own.send()
        own._thread = threading.Thread(target=int)  # one that is not alive
        own.add(repository_id=one.pk, requester="u2", now=NOW)
        assert own._thread.is_alive()
        own.send()
        jobs.flush(now=NOW)
        assert totals(one) == (2, 2)

    def test_forgets_new_requesters_before_it_grows_too_large(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(buffer, "FETCHES_MAX", 2)
        own = buffer.Buffer()
        fetches = [counters.fetch_of(repository_id=1, requester=f"u{number}", now=NOW) for number in range(3)]
        own._put(counters.hour_of(NOW), dict.fromkeys(fetches, 1))
        own._put(counters.hour_of(NOW), dict.fromkeys(fetches, 1))
        taken = own._take()
        assert taken is not None
        assert taken[1] == dict.fromkeys(fetches[:2], 2)

    def test_leaves_a_forked_process_nothing_of_its_parent(self) -> None:
        one = add("a/one")
        buffer.add(repository_id=one.pk, requester="u1", now=NOW)
        with warnings.catch_warnings():
            # Newer Pythons warn of what the web processes do, too: fork beside a thread.
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if not child:
            os._exit(1 if buffer._buffer._waiting or buffer._buffer._thread else 0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


class TestFlush:
    def test_adds_up_over_batches(self) -> None:
        one = add("a/one")
        for hour in range(5):
            fetch(one, now=NOW + timedelta(hours=hour))
            assert jobs.flush(now=NOW) == 1
        assert jobs.flush(now=NOW) == 0
        assert totals(one) == (5, 5)

    def test_loses_nothing_when_killed_before_the_write(self) -> None:
        one = add("a/one")
        fetch(one)
        counters.take()
        fetch(one, "u2")
        assert jobs.flush(now=NOW) == 2
        assert totals(one) == (2, 2)

    def test_doubles_nothing_when_killed_after_the_write(self, monkeypatch: pytest.MonkeyPatch) -> None:
        one = add("a/one")
        fetch(one)

        def killed(_: str) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(counters, "forget", killed)
            with pytest.raises(KeyboardInterrupt):
                jobs.flush(now=NOW)
        assert jobs.flush(now=NOW) == 0
        assert list(counters.batches()) == []
        assert totals(one) == (1, 1)

    def test_passes_over_repositories_that_are_gone(self) -> None:
        one, two = add("a/one"), add("a/two")
        fetch(one)
        fetch(two)
        two.delete()
        jobs.flush(now=NOW)
        assert totals(one) == (1, 1)


class TestRedis:
    def test_loses_nothing_in_a_clean_restart(self, own_redis: OwnRedis) -> None:
        one = add("a/one")
        fetch(one)
        counters.take()
        fetch(one, "u2", times=2)
        own_redis.stop()
        own_redis.start()
        fetch(one, "u2")
        fetch(one, "u3")
        jobs.flush(now=NOW)
        assert totals(one) == (3, 3)

    def test_loses_at_most_what_was_not_flushed_when_killed(self, own_redis: OwnRedis) -> None:
        one = add("a/one")
        fetch(one)
        jobs.flush(now=NOW)
        fetch(one, "u2")
        own_redis.kill()
        own_redis.start()
        fetch(one, "u3")
        jobs.flush(now=NOW)
        assert totals(one) in {(2, 2), (3, 3)}

    def test_keeps_what_was_flushed_when_killed_and_started_empty(self, own_redis: OwnRedis) -> None:
        one = add("a/one")
        fetch(one)
        jobs.flush(now=NOW)
        fetch(one, "u2")
        redis_connection.connection().flushall()
        fetch(one, "u3")
        jobs.flush(now=NOW)
        assert totals(one) == (2, 2)

    def test_doubles_nothing_when_it_comes_back_from_an_older_state(self, own_redis: OwnRedis) -> None:
        one = add("a/one")
        fetch(one)
        pending = redis_connection.key("downloads", "pending")
        older = redis_connection.connection().dump(pending)
        assert older is not None
        jobs.flush(now=NOW)
        redis_connection.connection().restore(pending, 0, older)
        jobs.flush(now=NOW)
        assert totals(one) == (1, 1)


class TestRecount:
    def test_lets_old_days_fall_out_of_the_last_thirty(self) -> None:
        one, two = add("a/one"), add("a/two", downloads_30d=7, downloads_total=7)
        for days in (0, 20, 40):
            fetch(one, now=NOW - timedelta(days=days))
        jobs.flush(now=NOW)
        assert totals(one) == (2, 3)
        later = NOW + timedelta(days=15)
        assert jobs.recount(now=later) == 2
        assert totals(one) == (1, 3)
        assert totals(two) == (0, 7)
        assert jobs.recount(now=later) == 0
