from __future__ import annotations

from pathlib import Path

import pytest

from bazaar.server import web
from bazaar.settings import derived
from foundation.environment import VariableInvalid
from hub.blobstore import S3BlobStore, S3Options


class TestDatabase:
    @pytest.mark.parametrize(
        ("query", "kept_after"), [("", 5), ("?prepare_threshold=0", 0), ("?prepare_threshold=off", None)]
    )
    def test_keeps_statements_unless_a_pooler_forbids_it(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, query: str, kept_after: int | None
    ) -> None:
        monkeypatch.setenv("DATABASE_URL", f"postgresql://user@host:5432/name{query}")
        assert derived.database(tmp_path)["OPTIONS"] == {"prepare_threshold": kept_after}

    @pytest.mark.parametrize(("word", "meant"), [("", "of the file"), (":of-the-address", "of-the-address")])
    def test_has_the_password_of_a_file_unless_the_address_has_one(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, word: str, meant: str
    ) -> None:
        (tmp_path / "password").write_text("of the file\n")
        monkeypatch.setenv("BAZAAR_DATABASE_PASSWORD_FILE", str(tmp_path / "password"))
        monkeypatch.setenv("DATABASE_URL", f"postgresql://user{word}@host/name")
        assert derived.database(tmp_path)["PASSWORD"] == meant

    @pytest.mark.parametrize("word", ["secret/word", "secret#word", "secret?word"])
    def test_refuses_a_password_with_a_bare_sign_and_does_not_show_it(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, word: str
    ) -> None:
        monkeypatch.setenv("DATABASE_URL", f"postgresql://user:{word}@host/name")
        with pytest.raises(VariableInvalid, match="DATABASE_URL is no address") as refused:
            derived.database(tmp_path)
        assert "secret" not in str(refused.value)


class TestPublicUrl:
    @pytest.mark.parametrize(
        "url", ["hub.example.org", "hub.example.org:8000", "//hub", "http://", "ftp://hub"]
    )
    def test_is_an_address_of_the_web(self, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
        monkeypatch.setenv("BAZAAR_PUBLIC_URL", url)
        with pytest.raises(VariableInvalid, match="must be like https:"):
            derived.public_url()

    def test_has_no_slash_at_its_end(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for url in ("https://hub.example.org", "http://[::1]:8000", ""):
            monkeypatch.setenv("BAZAAR_PUBLIC_URL", f"{url}/" if url else "")
            assert derived.public_url() == url


class TestErrorDsn:
    def test_that_is_none_is_refused_by_its_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for dsn in ("x", "https://key@host:port/1"):
            monkeypatch.setenv("BAZAAR_ERROR_DSN", dsn)
            with pytest.raises(VariableInvalid, match="BAZAAR_ERROR_DSN"):
                derived.error_dsn()


class TestBind:
    @pytest.mark.parametrize("bind", ["localhost", "localhost:", "localhost:http", ""])
    def test_without_a_port_is_refused_by_its_name(self, bind: str) -> None:
        with pytest.raises(VariableInvalid, match="BAZAAR_BIND must be HOST:PORT"):
            web.listen(bind)


class TestDatabaseBehindAPooler:
    def test_has_no_cursor_that_outlives_a_transaction(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for query, is_off in (("", False), ("?prepare_threshold=off", True)):
            monkeypatch.setenv("DATABASE_URL", f"postgresql://me@host/name{query}")
            assert derived.database(tmp_path)["DISABLE_SERVER_SIDE_CURSORS"] is is_off


class TestBroker:
    def test_is_the_redis_of_the_hub(self) -> None:
        assert derived.broker("unix:///run/redis.sock", "a")[0] == "redis+socket:///run/redis.sock"
        assert derived.broker("rediss://me:secret@host:1/2", "a")[0] == "rediss://me:secret@host:1/2"

    def test_names_the_sentinels(self) -> None:
        url, options = derived.broker("redis+sentinel://:p%40ss@one,[::1]:7/main/2", "a")
        assert url == "sentinel://:p%40ss@one:26379/2;sentinel://:p%40ss@[::1]:7/2"
        assert options["master_name"] == "main"


class TestObjectStore:
    @pytest.mark.parametrize(
        ("style", "origin"), [("", "https://s3.example.org"), ("virtual", "https://bucket.s3.example.org")]
    )
    def test_is_addressed_as_the_operator_says(
        self, style: str, origin: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Signed addresses and the origin that pages may send to are the same."""
        named = {"BUCKET": "bucket", "ENDPOINT": "https://s3.example.org", "ADDRESSING": style}
        for name, value in (named | {"ACCESS_KEY": "a", "SECRET_KEY": "b"}).items():
            monkeypatch.setenv(f"BAZAAR_S3_{name}", value)
        store = derived.object_store()
        assert store is not None
        signed = S3BlobStore(S3Options(**store)).presign_get("key", expires_seconds=60)
        assert signed is not None
        assert signed.startswith(f"{origin}/")
        assert f"connect-src 'self' {origin};" in derived.content_policy(store)
