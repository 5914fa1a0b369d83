"""The doctor names what is wrong and how to mend it."""

import contextlib
import io
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from redis import RedisError

from bazaar.server import processes, redis
from foundation.redis_connection import hasty_connection
from tests.servers import ports

pytestmark = pytest.mark.django_db


def visit() -> str:
    said = io.StringIO()
    try:
        call_command("doctor", stdout=said)
    except CommandError as error:
        said.write(f"failed: {error}")
    return said.getvalue()


def redis_answers() -> bool:
    with contextlib.suppress(RedisError):
        return bool(hasty_connection().ping())
    return False


class TestDoctor:
    def test_finds_nothing_broken_where_all_is_well(self) -> None:
        said = visit()
        assert "failed" not in said
        assert "ok    database" in said

    def test_says_how_to_mend_a_missing_redis(self, settings: Any, tmp_path: Path) -> None:
        settings.REDIS_URL = f"unix://{tmp_path}/none.sock"
        said = visit()
        assert "FAIL  redis" in said
        assert "repair: script/server starts one; otherwise set REDIS_URL" in said
        assert "failed: 1 of the checks failed." in said

    def test_refuses_a_redis_cluster(self, settings: Any, tmp_path: Path) -> None:
        # Members of a cluster also listen on the port that is 10,000 higher.
        port = next(port for port in ports.free_ports(50) if port < 50_000)
        settings.REDIS_URL = f"redis://127.0.0.1:{port}/0"
        words = [
            "--port",
            port,
            "--cluster-enabled",
            "yes",
            "--dir",
            tmp_path,
            "--save",
            "",
        ]
        server = processes.spawn([redis.find_binary(), *map(str, words)])
        try:
            processes.wait_until(redis_answers, what="Redis", process=server)
            said = visit()
            assert "Redis runs as a cluster." in said
            assert "failed: 1 of the checks failed." in said
        finally:
            processes.stop(server)

    def test_shows_no_password(self, settings: Any) -> None:
        settings.REDIS_URL = "redis://user:hunter2@127.0.0.1:1/0"
        assert "hunter2" not in visit()

    def test_warns_when_the_disk_is_nearly_full(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("bazaar.doctor.DISK_FREE_MIN_BYTES", 2**62)
        assert "Free some space or move BAZAAR_DATA_DIR" in visit()

    def test_refuses_a_secret_that_others_can_read(self, settings: Any, tmp_path: Path) -> None:
        (tmp_path / "secret_key").touch()
        (tmp_path / "secret_key").chmod(0o644)
        settings.DATA_DIR = tmp_path
        assert f"repair: Run: chmod 600 {tmp_path}/secret_key" in visit()

    def test_refuses_a_data_folder_that_others_can_enter(self, settings: Any, tmp_path: Path) -> None:
        (tmp_path / "git").mkdir(mode=0o700)
        for name in (".", "git"):
            (tmp_path / name).chmod(0o755)
        settings.DATA_DIR = tmp_path
        said = visit()
        assert f"repair: Run: chmod 700 {tmp_path}\n" in said
        assert f"repair: Run: chmod 700 {tmp_path}/git" in said
