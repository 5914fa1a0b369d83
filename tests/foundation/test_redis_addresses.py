from __future__ import annotations

import pytest

from foundation.environment import VariableInvalid
from foundation.redis_addresses import Sentinels, checked, sentinels_of


class TestSentinelsOf:
    @pytest.mark.parametrize("url", ["redis://host:6379/0", "rediss://host", "unix:///run/redis.sock"])
    def test_is_none_for_one_server(self, url: str) -> None:
        assert sentinels_of(url) is None
        assert checked(url) == url

    def test_reads_hosts_and_name(self) -> None:
        assert sentinels_of("redis+sentinel://one,two:7000,[::1]:7001/main") == Sentinels(
            hosts=(("one", 26379), ("two", 7000), ("::1", 7001)),
            name="main",
            database=0,
            username=None,
            password=None,
            sentinel_password=None,
        )

    def test_reads_passwords_and_database(self) -> None:
        read = sentinels_of("redis+sentinel://me:p%40ss@one/main/3?sentinel_password=s%26p")
        assert read is not None
        assert (read.username, read.password, read.database) == ("me", "p@ss", 3)
        assert read.sentinel_password == "s&p"
        only_password = sentinels_of("redis+sentinel://:secret@one/main")
        assert only_password is not None
        assert (only_password.username, only_password.password) == (None, "secret")


class TestChecked:
    @pytest.mark.parametrize(
        ("url", "says"),
        [
            ("http://host", "must begin with"),
            ("host:6379", "must begin with"),
            ("redis+sentinel://one", "name of the primary"),
            ("redis://host:port/0", "no address"),
            ("redis://[::1/0", "no address"),
            ("redis+sentinel:///main", "no host"),
            ("redis+sentinel://one,,two/main", "no host"),
            ("redis+sentinel://one:port/main", "no host"),
            ("redis+sentinel://one:70000/main", "no host"),
            ("redis+sentinel://one/main/two", "whole number"),
            ("redis+sentinel://one/main?db=1", "knows no db"),
        ],
    )
    def test_refuses_what_names_no_redis(self, url: str, says: str) -> None:
        with pytest.raises(VariableInvalid, match=says):
            checked(url)

    @pytest.mark.parametrize(
        "url",
        [
            "redis+sentinel://:secret@one:port/main",
            "redis+sentinel://:secret/word@one/main",
            "redis://:secret@one:port/0",
            "redis://:secret/word@one/0",
            "redis://:secret#word@one/0",
        ],
    )
    def test_keeps_the_password_out_of_the_text(self, url: str) -> None:
        with pytest.raises(VariableInvalid) as raised:
            checked(url)
        assert "secret" not in str(raised.value)
        assert raised.value.__suppress_context__ or raised.value.__context__ is None
