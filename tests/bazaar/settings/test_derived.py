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
