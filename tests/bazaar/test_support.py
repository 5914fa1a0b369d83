"""The support bundle says what is wrong, and nothing that is secret."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from bazaar import support
from hub.accounts.models import User
from tests.factories import hub

pytestmark = pytest.mark.django_db
CANARY = "canary-that-nobody-may-read"


def bundle() -> dict[str, str]:
    file = io.BytesIO()
    support.write(file)
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_describes_versions_settings_findings_and_metrics() -> None:
    found = bundle()
    assert set(found) == set(support.PARTS)
    assert json.loads(found["versions.json"])["packages"]["Django"]
    assert json.loads(found["settings.json"])["MARKET_SHARDS"] >= 1
    assert "database" in found["doctor.txt"]
    assert "bazaar_dependency_up" in found["metrics.txt"]
    assert json.loads(found["state.json"])["dependencies"]["database"] == "ok"
    assert not any("could not be made" in text for text in found.values())


def test_holds_no_secret(settings: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings.SECRET_KEY = settings.METRICS_TOKEN = CANARY
    settings.REDIS_URL = f"unix://{tmp_path}/{CANARY}.sock"
    settings.A_SETTING_OF_TOMORROW = {"password": CANARY}
    monkeypatch.setenv("BAZAAR_S3_SECRET_KEY", CANARY)
    monkeypatch.setenv("DATABASE_URL", f"postgres://hub:{CANARY}@db/hub")
    user = hub.user(email=f"{CANARY}@example.org")
    assert User.objects.filter(pk=user.pk).exists()
    found = bundle()
    assert [name for name, text in found.items() if CANARY in text] == []
    assert json.loads(found["settings.json"])["environment"]["BAZAAR_S3_SECRET_KEY"] == "set"
    assert json.loads(found["state.json"])["dependencies"]["redis"] == "failed"


def test_parts_of_addresses_are_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", f"postgres://bazaaruser:{CANARY}@database.internal:5432/hub")
    text = support.redacted(f"connection to database.internal as bazaaruser with {CANARY} failed")
    assert text == "connection to ‹removed› as ‹removed› with ‹removed› failed"


def test_a_part_that_fails_does_not_keep_the_others_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> str:
        raise RuntimeError(CANARY)

    monkeypatch.setitem(support.PARTS, "state.json", broken)
    found = bundle()
    assert found["state.json"] == "This part could not be made: RuntimeError.\n"
    assert json.loads(found["versions.json"])["python"]


def test_the_command_overwrites_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "bundle.zip"
    call_command("support_bundle", str(file))
    assert "Look at it before you send it." in capsys.readouterr().out
    with pytest.raises(CommandError, match="exists"):
        call_command("support_bundle", str(file))
