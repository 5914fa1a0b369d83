from __future__ import annotations

from pathlib import Path

import pytest

from bazaar.settings import derived


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
