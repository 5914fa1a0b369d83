"""The files of deploy/proxies, on a real nginx and Caddy: bodies stream, and no client forges its address.

A server of the test tells what reaches it; a live hub behind them is used by real clients. No Traefik can be
had, so its files are compared with what they must say, and nothing more.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from huggingface_hub import HfApi

from tests.deploy import fronts
from tests.deploy.fronts import Front
from tests.deploy.listening import PATIENCE_SECONDS, Listening, listening
from tests.servers import ports
from tests.servers.clients import program, run
from tests.servers.live import LiveBazaar, unique
from tests.servers.remote import ROOT

FRONTS: dict[str, Callable[..., contextlib.AbstractContextManager[Front]]] = {
    "nginx": fronts.nginx,
    "caddy": fronts.caddy,
}
LIE = "203.0.113.66"
# More than any front server takes by default, and more than this machine has memory.
HUGE_BYTES = 300 * 10**9
PIECE = b"x" * 100_000


@pytest.fixture(scope="module")
def behind() -> Iterator[Listening]:
    with listening() as server:
        yield server


@pytest.fixture(scope="module", params=list(FRONTS))
def front(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, behind: Listening
) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp(request.param)
    with FRONTS[request.param](folder, behind.port) as found:
        yield found


@pytest.fixture(autouse=True)
def fresh(behind: Listening) -> None:
    behind.first_bytes.clear()
    behind.go_on.clear()


@contextlib.contextmanager
def connected(front: Front) -> Iterator[ssl.SSLSocket]:
    with (
        socket.create_connection(("127.0.0.1", front.https_port), timeout=PATIENCE_SECONDS) as plain,
        front.tls.wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        yield secure


def head_of(front: Front, request: str, **headers: str) -> bytes:
    """The head of a request, written by hand so that the test can send the body in parts."""
    lines = [f"{request} HTTP/1.1", f"Host: localhost:{front.https_port}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def told(front: Front, path: str, headers: dict[str, str] | None = None) -> dict[str, Any]:
    """The request that reaches the server behind, when a client sends this one to the front server."""
    answer = httpx.get(
        f"{front.url}{path}", headers=headers or {}, verify=front.tls, timeout=PATIENCE_SECONDS
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def values(found: dict[str, Any], name: str) -> list[str]:
    return [value for key, value in found["headers"] if key == name]


class TestUploads:
    def test_arrive_while_they_are_sent(self, front: Front, behind: Listening) -> None:
        head = head_of(front, "PUT /big", content_length=str(2 * len(PIECE)))
        with connected(front) as client:
            client.sendall(head + PIECE)
            assert behind.first_bytes.wait(PATIENCE_SECONDS), "the front server waits for the whole body"
            client.sendall(PIECE)
            answer = http.client.HTTPResponse(client)
            answer.begin()
            assert answer.status == 200
            assert json.loads(answer.read())["body"].startswith("xxx")

    def test_of_any_size_are_let_in(self, front: Front, behind: Listening) -> None:
        head = head_of(front, "PUT /huge", content_length=str(HUGE_BYTES))
        with connected(front) as client:
            client.sendall(head + PIECE)
            assert behind.first_bytes.wait(PATIENCE_SECONDS)


class TestEvents:
    def test_arrive_at_once(self, front: Front, behind: Listening) -> None:
        with connected(front) as client:
            client.sendall(head_of(front, "GET /events"))
            answer = http.client.HTTPResponse(client)
            answer.begin()
            assert answer.readline() == b"data: first\n"
            # The second event is not made before the first has arrived.
            behind.go_on.set()
            assert b"data: second" in answer.read()


class TestAddresses:
    def test_of_clients_cannot_be_forged(self, front: Front) -> None:
        found = told(
            front,
            "/",
            {
                "X-Forwarded-For": LIE,
                "X-Forwarded-Proto": "http",
                "X-Forwarded-Host": "evil.example.org",
            },
        )
        # The hub reads the last address of the header, the scheme and the host.
        assert values(found, "x-forwarded-for") == ["127.0.0.1"]
        assert values(found, "x-forwarded-proto") == ["https"]
        assert values(found, "x-forwarded-host") == [f"localhost:{front.https_port}"]
        assert values(found, "host") == [f"localhost:{front.https_port}"]

    def test_pass_as_they_were_written(self, front: Front) -> None:
        path = "/api/models/a/b/tree/refs%2Fpr%2F1/x%20y%25?a=b%2Fc&d=%E4%BD%A0"
        with connected(front) as client:
            client.sendall(head_of(front, f"GET {path}"))
            answer = http.client.HTTPResponse(client)
            answer.begin()
            assert json.loads(answer.read())["target"] == path

    @pytest.mark.parametrize(
        "path", ["/metrics", "/%6detrics", "/metrics?x", "/.well-known/openid-configuration"]
    )
    def test_for_the_inside_are_closed(self, front: Front, path: str) -> None:
        assert httpx.get(f"{front.url}{path}", verify=front.tls).status_code == 404

    def test_without_tls_lead_to_tls(self, front: Front) -> None:
        answer = httpx.post(f"http://localhost:{front.http_port}/some/where?x=y", content=b"body")
        assert answer.status_code == 308
        assert re.fullmatch(r"https://localhost(:\d+)?/some/where\?x=y", answer.headers["Location"])

    def test_with_tls_are_kept(self, front: Front) -> None:
        answer = httpx.get(f"{front.url}/", verify=front.tls)
        assert "max-age=" in answer.headers["Strict-Transport-Security"]


class TestNginx:
    def test_serves_challenges_for_certificates(self, tmp_path: Path, behind: Listening) -> None:
        challenge = tmp_path / "acme" / ".well-known" / "acme-challenge"
        challenge.mkdir(parents=True)
        (challenge / "token").write_text("answer")
        with fronts.nginx(tmp_path, behind.port) as front:
            url = f"http://localhost:{front.http_port}/.well-known/acme-challenge/token"
            assert httpx.get(url).text == "answer"

    def test_waits_as_long_as_the_front_server_of_compose(self) -> None:
        """Both files pass on in the same way; only what says that the client speaks TLS differs."""
        here = settings_of(ROOT / "deploy" / "proxies" / "nginx.conf")
        compose = settings_of(ROOT / "deploy" / "nginx.conf")
        names = {
            name for name in here | compose if name.startswith(("proxy_", "client_", "send_", "limit_conn "))
        }
        differs = {name for name in names if here.get(name) != compose.get(name)}
        assert differs <= {
            *(
                "proxy_pass",
                "limit_conn bazaar_addresses",
                "limit_conn addresses",
                "client_header_buffer_size",
            ),
            *("proxy_set_header Connection", "proxy_set_header X-Forwarded-Proto", "proxy_read_timeout"),
        }
        assert here["client_max_body_size"] == "0"
        assert int(here["proxy_read_timeout"].removesuffix("s")) >= 3600

    def test_takes_the_file_for_leases(self, tmp_path: Path) -> None:
        nginx = ports.require_tool("nginx")
        certificate, key = fronts.make_certificate(tmp_path)
        text = (fronts.FOLDER / "nginx-leases.conf").read_text()
        text = text.replace("/etc/ssl/leases.example.org/fullchain.pem", str(certificate))
        text = text.replace("/etc/ssl/leases.example.org/privkey.pem", str(key))
        mapped = 'map $http_upgrade $bazaar_connection { default upgrade; "" ""; }'
        config = tmp_path / "nginx.conf"
        config.write_text(f"pid {tmp_path}/pid;\nevents {{}}\nhttp {{\n{mapped}\n{text}\n}}\n")
        run([nginx, "-t", "-p", tmp_path, "-c", config], env={"HOME": str(tmp_path)})


def settings_of(path: Path) -> dict[str, str]:
    """The directives of the last `location /` and all others outside of locations → their values."""
    text = re.sub(r"#.*", "", path.read_text())
    found = {}
    for name, value in re.findall(
        r"^\s*((?:proxy_set_header|limit_conn) \S+|\w+)\s+([^;{}]+);", text, re.MULTILINE
    ):
        found[name] = value.strip()
    return found


class TestCaddy:
    def test_has_no_limits_of_time_or_size(self, tmp_path: Path) -> None:
        caddy = program("caddy")
        words = [caddy, "adapt", "--config", fronts.FOLDER / "Caddyfile"]
        done = subprocess.run(words, capture_output=True, text=True, check=True, env={"HOME": str(tmp_path)})
        names = set(re.findall(r'"(\w+)":', done.stdout))
        assert "reverse_proxy" in done.stdout
        assert {
            name for name in names if "timeout" in name or "max_size" in name or "buffer" in name
        } == set()

    def test_takes_the_file_for_leases(self, tmp_path: Path) -> None:
        caddy = program("caddy")
        certificate, key = fronts.make_certificate(tmp_path)
        text = (fronts.FOLDER / "Caddyfile.leases").read_text()
        text = text.replace("/etc/ssl/leases.example.org/fullchain.pem", str(certificate))
        text = text.replace("/etc/ssl/leases.example.org/privkey.pem", str(key))
        config = tmp_path / "Caddyfile"
        config.write_text(f"{{\nadmin off\nstorage file_system {tmp_path}\n}}\n{text}")
        run([caddy, "validate", "--config", config, "--adapter", "caddyfile"], env={"HOME": str(tmp_path)})


class TestTraefik:
    """Only that the files say what they must: no Traefik runs here."""

    def test_streams_for_as_long_as_it_takes(self) -> None:
        own = yaml.safe_load((fronts.FOLDER / "traefik.yml").read_text())
        entry = own["entryPoints"]["websecure"]
        assert entry["transport"]["respondingTimeouts"]["readTimeout"] == "0s"
        assert entry["http"]["encodedCharacters"]["allowEncodedSlash"] is True
        assert entry["forwardedHeaders"] == {"insecure": False}
        redirection = own["entryPoints"]["web"]["http"]["redirections"]["entryPoint"]
        assert redirection["scheme"] == "https"

    def test_leads_to_what_is_defined_and_closes_the_metrics(self) -> None:
        own = yaml.safe_load((fronts.FOLDER / "traefik.yml").read_text())
        routes = yaml.safe_load((fronts.FOLDER / "traefik-hub.yml").read_text())["http"]
        for router in routes["routers"].values():
            assert router["service"] in routes["services"]
            assert set(router["middlewares"]) <= set(routes["middlewares"])
            assert set(router["entryPoints"]) <= set(own["entryPoints"])
            assert router["tls"]["certResolver"] in own["certificatesResolvers"]
        closed, hub = routes["routers"]["closed"], routes["routers"]["hub"]
        assert "/metrics" in closed["rule"]
        assert closed["priority"] > hub["priority"]
        assert all("buffering" not in middleware for middleware in routes["middlewares"].values())


class TestHub:
    @pytest.mark.parametrize("name", list(FRONTS))
    def test_is_used_by_real_clients(self, name: str, live_sqlite: LiveBazaar, tmp_path: Path) -> None:
        """Upload of a large file, ranges, clone and push; and what is for the inside stays there."""
        hub = live_sqlite
        with FRONTS[name](tmp_path, hub.port) as front:
            owner = hub.user()
            repo_id = f"{owner.name}/{unique('model')}"
            trusted = {"SSL_CERT_FILE": str(front.certificate), "GIT_SSL_CAINFO": str(front.certificate)}
            env = {**hub.client_env(owner), **trusted, "HF_ENDPOINT": front.url, "HF_HUB_DISABLE_XET": "1"}
            (tmp_path / "large.bin").write_bytes(bytes(range(256)) * 50_000)
            run([program("hf"), "upload", repo_id, tmp_path / "large.bin", "large.bin"], env=env)
            address = f"{front.url}/{repo_id}/resolve/main/large.bin"
            part = httpx.get(
                address, headers={"Range": "bytes=256000-256255"}, verify=front.tls, follow_redirects=True
            )
            assert part.status_code == 206
            assert part.content == bytes(range(256))
            remote = front.url.replace("://", f"://{owner.name}:{owner.token}@")
            clone = tmp_path / "clone"
            run(["git", "clone", "-q", f"{remote}/{repo_id}", clone], env={**env, "GIT_LFS_SKIP_SMUDGE": "1"})
            (clone / "many.txt").write_text("".join(f"line {number}\n" for number in range(9_000)))
            for words in (["add", "many.txt"], ["commit", "-qm", "many"], ["push", "-q", "origin", "main"]):
                run(["git", *words], env=env, cwd=clone)
            assert "many.txt" in HfApi(endpoint=hub.url, token=owner.token).list_repo_files(repo_id)
            ready = httpx.get(f"{front.url}/readyz", verify=front.tls)
            assert ready.status_code == 200
            assert httpx.get(f"{front.url}/metrics", verify=front.tls).status_code == 404
