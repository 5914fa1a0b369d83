"""Strangers on the network and other users of the machine cannot reach the hub's internals."""

import os
import socket
import stat
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from bazaar import hosts, nodes, paths
from bazaar.server import redis
from foundation import redis_connection
from hub.accounts.models import User
from tests.factories import hub
from tests.servers.remote import ROOT

FOREIGN = "rebind.evil.example:8000"
STRANGER = {"REMOTE_ADDR": "192.0.2.7"}
SIGN_UP = {"name": "rebound", "password": "a good long phrase", "email": "rebound@example.org"}


@pytest.fixture
def _own_hosts(settings: Any) -> None:
    settings.ALLOWED_HOSTS = hosts.own_names("https://hub.example.org")


@pytest.mark.django_db
@pytest.mark.usefixtures("_own_hosts")
class TestHostHeader:
    @pytest.mark.parametrize(
        "path",
        [
            "/",
            "/models",
            "/api/models",
            "/api/hub/v1/session",
            "/healthz",
            "/api/market/v1/products",
            "/login",
        ],
    )
    def test_of_another_site_is_refused_everywhere(self, client: Client, path: str) -> None:
        response = client.get(path, headers={"host": FOREIGN})
        assert response.status_code == 400
        assert "BAZAAR_ALLOWED_HOSTS" in response.content.decode()

    def test_of_another_site_makes_no_account(self, client: Client) -> None:
        response = client.post(
            "/api/hub/v1/accounts", SIGN_UP, content_type="application/json", headers={"host": FOREIGN}
        )
        assert response.status_code == 400
        assert not User.objects.exists()

    @pytest.mark.parametrize(
        "host",
        [
            "localhost:8000",
            "hub.localhost",
            "127.0.0.1:1",
            "[::1]:8000",
            socket.gethostname(),
            "hub.example.org",
        ],
    )
    def test_with_a_name_of_this_server_is_answered(self, client: Client, host: str) -> None:
        assert client.get("/healthz", headers={"host": host}).status_code == 200

    def test_malformed_is_refused(self, client: Client) -> None:
        assert client.get("/healthz", headers={"host": "a b"}).status_code == 400


class TestOwnNames:
    def test_hold_the_given_address_of_the_server(self, monkeypatch: Any) -> None:
        monkeypatch.setenv("BAZAAR_HOST", "2001:db8::5")
        assert "[2001:db8::5]" in hosts.own_names("")

    def test_never_hold_everything(self, monkeypatch: Any) -> None:
        monkeypatch.setenv("BAZAAR_HOST", "0.0.0.0")  # noqa: S104
        assert not {"*", "0.0.0.0", ""} & set(hosts.own_names(""))  # noqa: S104


@pytest.mark.django_db
class TestMonitoring:
    def test_metrics_are_closed_to_strangers(self, client: Client, settings: Any) -> None:
        assert client.get("/metrics", **STRANGER).status_code == 403
        assert client.get("/metrics", HTTP_X_FORWARDED_FOR="127.0.0.1").status_code == 403
        settings.METRICS_TOKEN = "a-token"
        for sent, status in (
            ("Bearer a-token", 200),
            ("Bearer other", 403),
            ("Bearer ", 403),
            ("Basic a", 403),
        ):
            response = client.get("/metrics", headers={"authorization": sent}, **STRANGER)
            assert response.status_code == status, sent
        assert client.get("/metrics").status_code == 200

    def test_no_token_opens_nothing_where_none_is_set(self, client: Client) -> None:
        response = client.get("/metrics", headers={"authorization": "Bearer "}, **STRANGER)
        assert response.status_code == 403

    def test_readiness_tells_strangers_no_reason(self, client: Client, settings: Any, tmp_path: Path) -> None:
        settings.REDIS_URL = f"unix://{tmp_path}/none.sock"
        response = client.get("/readyz", **STRANGER)
        assert (response.status_code, response.json()["dependencies"]["redis"]) == (503, "failed")
        assert "none.sock" in client.get("/readyz").json()["dependencies"]["redis"]


@pytest.mark.django_db
class TestRates:
    @pytest.mark.parametrize("path", ["/api/models", "/api/hub/v1/session", "/api/market/v1/products"])
    def test_of_calls_are_limited_by_address(self, client: Client, settings: Any, path: str) -> None:
        settings.RATE_ANONYMOUS = settings.MARKET_RATE_ANONYMOUS = 2
        caller = {"REMOTE_ADDR": f"2001:db8:{uuid.uuid4().hex[:4]}:{uuid.uuid4().hex[:4]}::1"}
        assert [client.get(path, **caller).status_code for _ in range(2)] == [200, 200]
        refused = client.get(path, **caller)
        assert refused.status_code == 429
        assert 0 < int(refused.headers["Retry-After"]) <= 60
        assert client.get(path).status_code == 200  # this machine

    def test_of_calls_are_limited_by_user(self, client: Client, settings: Any) -> None:
        settings.RATE_USER = 2
        settings.REDIS_PREFIX += uuid.uuid4().hex  # users of other tests had the same number
        secret = hub.token(hub.user("ada"))
        sent = {"headers": {"authorization": f"Bearer {secret}"}}
        for number, status in enumerate((200, 200, 429)):
            response = client.get("/api/whoami-v2", REMOTE_ADDR=f"192.0.2.{number}", **sent)
            assert response.status_code == status

    def test_of_sign_up_are_limited_by_address(self, client: Client, settings: Any) -> None:
        settings.SIGN_UPS_PER_HOUR = 2
        caller = {"REMOTE_ADDR": f"2001:db8:{uuid.uuid4().hex[:4]}:{uuid.uuid4().hex[:4]}::1"}
        statuses = []
        for number in range(3):
            body = {**SIGN_UP, "name": f"rebound{number}", "email": f"rebound{number}@example.org"}
            response = client.post("/api/hub/v1/accounts", body, content_type="application/json", **caller)
            statuses.append(response.status_code)
        assert statuses == [201, 201, 429]
        page = client.post(
            "/join", {**SIGN_UP, "name": "rebound9", "email": "rebound9@example.org"}, **caller
        )
        assert page.status_code == 422
        assert User.objects.count() == 2


class TestFiles:
    def test_are_private_whichever_command_makes_them(self, tmp_path: Path) -> None:
        data = tmp_path / "data"
        data.mkdir(mode=0o755)
        env = {**os.environ, "BAZAAR_DATA_DIR": str(data), "DJANGO_SETTINGS_MODULE": "bazaar.settings.dev"}
        env.pop("DATABASE_URL", None)
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "accounts", "--verbosity=0"],
            cwd=ROOT,
            env=env,
            umask=0o022,
            check=True,
        )
        assert stat.S_IMODE(data.stat().st_mode) == 0o700
        made = [path for path in data.rglob("*") if stat.S_IMODE(path.lstat().st_mode) & 0o077]
        assert not made

    def test_that_were_open_are_named_by_the_doctor_though_it_closes_them(self, tmp_path: Path) -> None:
        data = tmp_path / "data"
        data.mkdir(mode=0o700)
        data.chmod(0o755)
        env = {**os.environ, "BAZAAR_DATA_DIR": str(data), "DJANGO_SETTINGS_MODULE": "bazaar.settings.dev"}
        env.pop("DATABASE_URL", None)
        script = "import django; django.setup(); from bazaar.doctor import data_is_private as d; print(d())"
        said = [
            subprocess.run(
                [sys.executable, "-c", script], cwd=ROOT, env=env, check=True, capture_output=True, text=True
            ).stdout
            for _ in range(2)
        ]
        assert f"{data} could be entered by other users (mode 755) until now" in said[0]
        assert said[1].strip() == "[]"
        assert stat.S_IMODE(data.stat().st_mode) == 0o700

    def test_of_a_mask_that_is_none_are_refused(self, monkeypatch: Any) -> None:
        for text in ("9", "", "7777", "-1", "rwx"):
            monkeypatch.setenv("BAZAAR_UMASK", text)
            with pytest.raises(ValueError, match="octal"):
                paths.umask()


class TestRedisSocket:
    def test_of_a_deep_data_folder_is_in_a_private_one(self, monkeypatch: Any, tmp_path: Path) -> None:
        runtime = Path("/tmp") / f"bz-{uuid.uuid4().hex[:8]}"  # noqa: S108 - a short path, as the test needs
        runtime.mkdir(mode=0o700)
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
        try:
            found = redis.socket_path(tmp_path / ("deep" * 40))
            assert found.parent == runtime / f"bazaar-{os.getuid()}"
            assert stat.S_IMODE(found.parent.stat().st_mode) == 0o700
            found.parent.chmod(0o755)
            with pytest.raises(PermissionError, match="nobody else can enter"):
                redis.socket_path(tmp_path / ("deep" * 40))
            found.parent.rmdir()
            found.parent.symlink_to(tmp_path)
            with pytest.raises(PermissionError, match="nobody else can enter"):
                redis.socket_path(tmp_path / ("deep" * 40))
            found.parent.unlink()
        finally:
            runtime.rmdir()


MOUNTINFO = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:27 / /mnt/with\\040blank rw,relatime - nfs4 files:/export rw
31 22 0:28 / /srv rw,relatime shared:3 master:1 - fuse.juicefs JuiceFS:hub rw
32 22 0:29 / /srv rw,relatime - xfs /dev/vdb rw
33 22 0:30 / /var rw,relatime - fuse.fuse-overlayfs fuse-overlayfs rw
"""


class TestSharedFolder:
    @pytest.mark.parametrize(
        ("folder", "kind", "shared"),
        [
            ("/data/git", "ext4", False),
            ("/mnt/with blank/git", "nfs4", True),
            ("/srv/git", "xfs", False),
            ("/var/git", "fuse.fuse-overlayfs", False),
        ],
    )
    def test_is_recognized_by_its_file_system(
        self, tmp_path: Path, folder: str, kind: str, shared: bool
    ) -> None:
        mounts = tmp_path / "mountinfo"
        mounts.write_text(MOUNTINFO)
        assert nodes.file_system_of(Path(folder), mounts=mounts) == kind
        assert nodes.is_on_network(kind) is shared

    def test_is_refused_when_two_nodes_serve_it(self, client: Client, db: None, monkeypatch: Any) -> None:
        monkeypatch.setattr(nodes, "file_system_of", lambda _: "fuse.juicefs")
        redis_connection.connection().delete(redis_connection.key("nodes"))
        monkeypatch.setattr(nodes, "_announced_at", 0.0)
        try:
            assert client.get("/readyz").status_code == 200
            monkeypatch.setattr(nodes, "_announced_at", 0.0)
            monkeypatch.setattr(socket, "gethostname", lambda: "second-node")
            answer = client.get("/readyz")
            assert answer.status_code == 503
            assert (
                "network file system (fuse.juicefs) and 2 web nodes" in answer.json()["dependencies"]["git"]
            )
            nodes.leave()
            assert client.get("/readyz").status_code == 200
        finally:
            redis_connection.connection().delete(redis_connection.key("nodes"))
