from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from pytest_django import Settings

from foundation import cache as backend
from foundation.redis_connection import connection, key


@pytest.fixture(autouse=True)
def _own_keys(settings: Settings, request: pytest.FixtureRequest) -> None:
    settings.REDIS_PREFIX = f"test:{request.node.name}"


class TestCache:
    @pytest.mark.parametrize(
        "value", ["text", 7, 1.5, True, ["a", {"b": None}], {}, b"", b"\0\xff", b'{"looks": "like JSON"}']
    )
    def test_gives_back_what_it_was_given(self, value: Any) -> None:
        cache.set("kept", value)
        assert cache.get("kept") == value
        assert type(cache.get("kept")) is type(value)

    def test_keeps_nothing_that_only_pickle_could(self) -> None:
        with pytest.raises(TypeError):
            cache.set("kept", object())

    def test_gives_the_default_for_what_it_has_not(self) -> None:
        assert cache.get("none") is None
        assert cache.get("none", 3) == 3

    def test_forgets(self) -> None:
        cache.set("kept", 1)
        assert cache.delete("kept")
        assert "kept" not in cache
        assert not cache.delete("kept")

    def test_adds_only_what_is_new(self) -> None:
        assert cache.add("kept", 1)
        assert not cache.add("kept", 2)
        assert not cache.add("other", 2, 0)
        assert (cache.get("kept"), cache.get("other")) == (1, None)

    @pytest.mark.parametrize(
        ("timeout", "milliseconds"), [(600, 600_000), (600.25, 600_250), (1e-9, 1), (0, 0), (-1, 0)]
    )
    def test_keeps_a_value_for_the_given_time(self, timeout: float, milliseconds: int) -> None:
        cache.set("kept", 1, timeout)
        left = connection().pttl(cache.make_key("kept"))
        assert max(0, milliseconds - 300_000) <= left <= milliseconds or (milliseconds < 2 and left == -2)

    def test_keeps_a_value_for_ever_without_a_time_out(self) -> None:
        cache.set("kept", 1, None)
        assert connection().pttl(cache.make_key("kept")) == -1

    def test_takes_no_time_at_all_for_a_deletion(self) -> None:
        cache.set("kept", 1)
        cache.set("kept", 2, 0)
        assert cache.get("kept") is None

    def test_gives_a_value_another_time(self) -> None:
        cache.set("kept", 1)
        assert cache.touch("kept", None)
        assert connection().pttl(cache.make_key("kept")) == -1
        assert cache.touch("kept", 50)
        assert 0 < connection().pttl(cache.make_key("kept")) <= 50_000
        assert not cache.touch("none", 50)

    def test_counts(self) -> None:
        cache.set("number", 1)
        assert cache.incr("number", 2) == 3
        with pytest.raises(ValueError, match="not found"):
            cache.incr("none")

    def test_clears_only_what_is_cached(self) -> None:
        """Counters, locks and queues lie beside it, and so do other deployments."""
        beside = [key("count[1]"), "another:cache:1:kept"]
        for name in beside:
            connection().set(name, 1, ex=60)
        cache.set_many({"one": 1, "two": 2})
        cache.clear()
        assert cache.get_many(["one", "two"]) == {}
        assert connection().exists(*beside) == 2


class TestWithoutRedis:
    def test_is_empty(self, settings: Settings, tmp_path: Path) -> None:
        settings.REDIS_URL = f"unix://{tmp_path}/none.sock"
        cache.set("kept", 1)
        assert cache.get("kept", "default") == "default"
        assert cache.get_or_set("kept", lambda: 2) == 2
        assert not cache.delete("kept")
        cache.clear()

    def test_is_asked_once_and_then_left_alone_for_a_while(
        self,
        settings: Settings,
        tmp_path: Path,
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """A Redis that hangs costs a request one time-out, not one for each of its questions."""
        monkeypatch.setattr(backend, "PAUSE_SECONDS", 3600.0)
        settings.REDIS_URL = f"unix://{tmp_path}/none.sock"
        with caplog.at_level(logging.WARNING, logger=backend.__name__):
            for _ in range(5):
                assert cache.get("kept") is None
        assert [record.getMessage().split()[0] for record in caplog.records] == ["cache_unavailable"]

    def test_is_asked_again_after_the_pause(
        self, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(backend, "PAUSE_SECONDS", 0.0)
        cache.set("kept", 1)
        address = settings.REDIS_URL
        settings.REDIS_URL = f"unix://{tmp_path}/none.sock"
        assert cache.get("kept") is None
        settings.REDIS_URL = address
        assert cache.get("kept") == 1
