"""The secrets that the first start of docker-compose.yml makes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bazaar.server import keys


def made(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


class TestKeys:
    def test_are_random_and_kept(self, tmp_path: Path) -> None:
        first, second = tmp_path / "first", tmp_path / "second"
        for folder in (first, second):
            folder.mkdir()
            keys.make(folder)
        before = made(first)
        assert set(before) == {*keys.VARIABLES, keys.STORE_FILE}
        assert all(len(before[name]) == 64 for name in keys.VARIABLES)
        assert len({*before.values(), *made(second).values()}) == 2 * len(before)
        keys.make(first)
        assert made(first) == before

    def test_are_those_of_the_environment_where_it_has_them(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        keys.make(tmp_path)
        before = made(tmp_path)
        monkeypatch.setenv("POSTGRES_PASSWORD", "given")
        monkeypatch.setenv("S3_SECRET_KEY", " given, too\n")
        monkeypatch.setenv("BAZAAR_SECRET_KEY", "")
        keys.make(tmp_path)
        after = made(tmp_path)
        assert after["postgres_password"] == "given"
        assert after["s3_secret_key"] == "given, too"
        assert after["secret_key"] == before["secret_key"]
        (identity,) = json.loads(after[keys.STORE_FILE])["identities"]
        wanted = {"accessKey": before["s3_access_key"], "secretKey": "given, too"}
        assert identity["credentials"] == [wanted]

    def test_can_be_read_by_the_stores_which_are_other_users(self, tmp_path: Path) -> None:
        done = subprocess.run(
            ["sh", "-c", f'umask 077; exec "{sys.executable}" -m bazaar.server.keys "{tmp_path}"'],
            env={"PATH": os.environ["PATH"]},
            cwd=Path(keys.__file__).parents[2],
            check=False,
            capture_output=True,
        )
        assert done.returncode == 0, done.stderr
        assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o644}
