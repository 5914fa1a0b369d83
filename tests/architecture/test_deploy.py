"""The files that deploy the bazaar on several machines are whole and name what exists.

`tests/containers` builds and runs them. The front server's configuration is tried on a real nginx here.
"""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bazaar.server import keys, processes
from tests.servers import ports
from tests.servers.live import LiveBazaar

ROOT = Path(__file__).resolve().parents[2]
OURS = {"keys", "prepare", "web", "tunnels", "ssh", "worker", "beat"}
SERVICES = OURS | {"postgres", "redis", "objects", "front"}
ONCE = {"keys", "prepare"}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return loaded


class TestCompose:
    def test_has_every_part(self, compose: dict[str, Any]) -> None:
        assert set(compose["services"]) == SERVICES

    def test_every_lasting_part_says_when_it_is_healthy(self, compose: dict[str, Any]) -> None:
        for name in SERVICES - ONCE:
            check = compose["services"][name]["healthcheck"]
            assert check["test"][0] in {"CMD", "CMD-SHELL"}, name
            assert len(check["test"]) > 1, name

    def test_services_wait_only_for_parts_with_a_health_check(self, compose: dict[str, Any]) -> None:
        for name, service in compose["services"].items():
            for other, how in service.get("depends_on", {}).items():
                assert other in SERVICES, name
                wanted = "service_completed_successfully" if other in ONCE else "service_healthy"
                assert how["condition"] == wanted, (name, other)

    def test_no_stored_data_is_inside_a_container(self, compose: dict[str, Any]) -> None:
        kept = {name: compose["services"][name]["volumes"] for name in SERVICES - {"front"}}
        named = {volume.split(":")[0] for volumes in kept.values() for volume in volumes}
        assert named == set(compose["volumes"]) == {*("data", "keys", "postgres", "redis", "objects", "run")}

    def test_all_our_parts_are_the_same_image_on_the_same_stores(self, compose: dict[str, Any]) -> None:
        assert {compose["services"][name]["image"] for name in OURS} == {"model-bazaar"}
        parts = [compose["services"][name] for name in OURS - {"keys"}]
        assert len({part["environment"]["DATABASE_URL"] for part in parts}) == 1
        assert all("/data" in part["volumes"][0] for part in parts)

    def test_our_parts_write_volumes_alone_and_have_no_rights(self, compose: dict[str, Any]) -> None:
        for name in OURS:
            part = compose["services"][name]
            assert part["read_only"], name
            assert part["cap_drop"] == ["ALL"], name
            assert part["security_opt"] == ["no-new-privileges:true"], name
            assert part["volumes"], name

    def test_a_stop_waits_longer_than_requests_may_take_to_end(self, compose: dict[str, Any]) -> None:
        for name in OURS - ONCE:
            part = compose["services"][name]
            seconds = re.search(r":-(\d+)", part["environment"]["BAZAAR_GRACEFUL_SECONDS"])
            assert seconds, name
            assert int(part["stop_grace_period"].removesuffix("s")) > int(seconds[1]) + 10, name

    def test_needs_no_file_beside_it(self) -> None:
        asked = re.findall(r"\$\{(\w+)(:[-?])?", (ROOT / "docker-compose.yml").read_text())
        assert asked
        assert {how for _, how in asked} == {":-"}

    def test_no_secret_has_a_default_or_is_in_the_environment_of_a_part_that_lasts(
        self, compose: dict[str, Any]
    ) -> None:
        text = (ROOT / "docker-compose.yml").read_text()
        example = (ROOT / ".env.example").read_text()
        names = set(re.findall(r"\$\{(\w*(?:SECRET|PASSWORD|_KEY)\w*)", text))
        assert names == set(keys.VARIABLES.values())
        for name in names:
            assert f"${{{name}:-}}" in text, name
            assert re.search(rf"^{name}=$", example, re.MULTILINE), name
        for service in SERVICES - {"keys"}:
            told = compose["services"][service].get("environment", {})
            secret = [name for name in told if re.search("SECRET|PASSWORD|_KEY", name)]
            assert all(name.endswith("_FILE") for name in secret), service
            assert all(str(told[name]).removeprefix("/run/keys/") in keys.VARIABLES for name in secret), (
                service
            )

    def test_only_the_front_server_and_ssh_are_reached_from_outside(self, compose: dict[str, Any]) -> None:
        open_to_all = {name for name, service in compose["services"].items() if "ports" in service}
        assert open_to_all == {"front", "ssh"}

    def test_reads_only_variables_that_the_settings_or_the_example_know(self) -> None:
        text = (ROOT / "docker-compose.yml").read_text()
        sources = [
            ROOT / "bazaar" / "paths.py",
            *(ROOT / "bazaar" / "settings").glob("*.py"),
            *(ROOT / "bazaar" / "server").glob("*.py"),
        ]
        known = "".join(path.read_text() for path in sources)
        for name in re.findall(r"^ +((?:BAZAAR|DATABASE|REDIS)_\w+):", text, re.MULTILINE):
            assert f'"{name.removesuffix("_FILE")}"' in known, name


class TestImage:
    def test_copies_what_exists_and_runs_as_nobody_special(self) -> None:
        lines = (ROOT / "Dockerfile").read_text().splitlines()
        sources = [
            word
            for line in lines
            if line.startswith("COPY ") and "--from" not in line
            for word in line.split()[1:-1]
        ]
        assert sources
        assert all((ROOT / source).exists() for source in sources)
        # The builder is sent these files and no others.
        ignored = (ROOT / ".dockerignore").read_text().splitlines()
        assert ignored[1] == "*"
        assert {line[1:] for line in ignored if line.startswith("!")} == set(sources)
        assert "USER bazaar" in lines
        assert any(line.startswith("HEALTHCHECK") for line in lines)


@pytest.fixture
def front(live_sqlite: LiveBazaar, tmp_path: Path) -> Iterator[str]:
    """The real nginx with our configuration, before a live bazaar; its address."""
    nginx = ports.require_tool("nginx")
    (port,) = ports.free_ports(1)
    text = (ROOT / "deploy" / "nginx.conf").read_text()
    text = text.replace("server web:8000;", f"server 127.0.0.1:{live_sqlite.port};")
    text = text.replace("server tunnels:8001;", f"server 127.0.0.1:{live_sqlite.leases_port};")
    text = text.replace("listen 80", f"listen 127.0.0.1:{port}")
    config = tmp_path / "nginx.conf"
    config.write_text(f"pid {tmp_path}/pid;\n" + text)
    with (tmp_path / "log").open("wb") as log:
        server = processes.spawn([nginx, "-p", tmp_path, "-c", config, "-g", "daemon off;"], output=log)
    processes.wait_until(
        lambda: processes.answers_http("127.0.0.1", port, "/healthz"),
        what=f"nginx ({tmp_path}/log)",
        process=server,
    )
    yield f"http://127.0.0.1:{port}"
    processes.stop(server)


class TestFrontServer:
    def test_passes_requests_on_and_keeps_metrics_inside(self, front: str) -> None:
        with urllib.request.urlopen(f"{front}/readyz") as response:
            assert response.status == 200
        with pytest.raises(urllib.error.HTTPError, match="404") as refused:
            urllib.request.urlopen(f"{front}/metrics")
        refused.value.close()

    def test_leaves_the_address_as_it_came(self, front: str, live_sqlite: LiveBazaar) -> None:
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{front}/api/models/nobody/nothing/tree/refs%2Fpr%2F1")
        refused.value.close()
        assert "/api/models/nobody/nothing/tree/refs%2Fpr%2F1" in live_sqlite.log_path.read_text()
