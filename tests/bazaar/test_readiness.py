"""Readiness names each dependency; metrics say the same to Prometheus."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from bazaar import parts


@pytest.mark.django_db
class TestReadyz:
    def test_names_every_dependency_when_all_is_well(self, client: Client) -> None:
        response = client.get("/readyz")
        assert response.status_code == 200
        assert response.json()["dependencies"] == dict.fromkeys(
            ["database", "redis", "git", "objects", "scratch", "schema"], "ok"
        )

    def test_says_503_and_which_part_of_a_supervised_server_is_down(
        self, client: Client, settings: Any, tmp_path: Path
    ) -> None:
        settings.PARTS_FILE = str(tmp_path / "parts.json")
        parts.write(tmp_path / "parts.json", {"worker": "is starting", "ssh": "ended with code 1"})
        response = client.get("/readyz")
        assert response.status_code == 503
        assert response.json()["dependencies"]["parts"] == "ssh ended with code 1; worker is starting"
        parts.write(tmp_path / "parts.json", {})
        assert client.get("/readyz").status_code == 200
        (tmp_path / "parts.json").unlink()
        assert "cannot be read" in client.get("/readyz").json()["dependencies"]["parts"]

    def test_says_503_and_why_when_redis_is_gone(self, client: Client, settings: Any, tmp_path: Path) -> None:
        settings.REDIS_URL = f"unix://{tmp_path}/none.sock"
        response = client.get("/readyz")
        assert response.status_code == 503
        assert "none.sock" in response.json()["dependencies"]["redis"]
        assert response.json()["dependencies"]["database"] == "ok"

    def test_is_ready_for_a_balancer_that_ignores_what_all_nodes_share(
        self, client: Client, settings: Any, tmp_path: Path
    ) -> None:
        settings.REDIS_URL = f"unix://{tmp_path}/none.sock"
        response = client.get("/readyz?ignore=redis,objects")
        assert response.status_code == 200
        assert set(response.json()["dependencies"]) == {"database", "git", "scratch", "schema"}
        settings.GIT_ROOT = tmp_path / "none.sock" / "git"
        (tmp_path / "none.sock").touch()
        assert client.get("/readyz?ignore=redis,objects").status_code == 503

    def test_says_503_when_s3_refuses_the_key(self, client: Client, settings: Any) -> None:
        class Refusing(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self.send_error(403)

            def log_message(self, *_: object) -> None:
                """Keep quiet."""

        with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            endpoint = f"http://127.0.0.1:{server.server_port}"
            settings.S3 = {"bucket": "b", "endpoint": endpoint, "access_key": "a", "secret_key": "wrong"}
            try:
                response, metrics = client.get("/readyz"), client.get("/metrics")
            finally:
                server.shutdown()
        assert response.status_code == 503
        assert "403" in response.json()["dependencies"]["objects"]
        assert 'bazaar_dependency_up{dependency="objects"} 0.0' in metrics.content.decode()

    def test_says_503_when_repositories_cannot_be_written(
        self, client: Client, settings: Any, tmp_path: Path
    ) -> None:
        blocker = tmp_path / "file"
        blocker.touch()
        settings.GIT_ROOT = blocker / "git"
        response = client.get("/readyz")
        assert response.status_code == 503
        assert "file/git" in response.json()["dependencies"]["git"]


@pytest.mark.django_db
class TestMetrics:
    def test_count_requests_by_door_and_show_dependencies(self, client: Client) -> None:
        client.get("/healthz")
        text = client.get("/metrics").content.decode()
        assert 'bazaar_http_requests_total{door="bazaar",method="GET",status="2xx"}' in text
        assert 'bazaar_dependency_up{dependency="redis"} 1.0' in text
        assert 'bazaar_tasks_waiting{queue="celery"}' in text
