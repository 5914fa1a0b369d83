"""Traces of a live hub, as a collector receives them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest
from huggingface_hub import HfApi

from tests.servers import clients, otlp, ports
from tests.servers.live import LiveBazaar, LiveUser

CANARY = "canary7sings"
PARENT = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture(scope="module")
def collector() -> Iterator[otlp.Receiver]:
    with otlp.receiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def bazaar(tmp_path_factory: pytest.TempPathFactory, collector: otlp.Receiver) -> Iterator[LiveBazaar]:
    """A hub with a worker that sends all of its traces."""
    settings = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_TRACES_SAMPLER": "parentbased_always_on",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "BAZAAR_WEBHOOKS_PRIVATE": "yes",
        "BAZAAR_LOG_FORMAT": "json",
    }
    with LiveBazaar(tmp_path_factory.mktemp("traces"), settings=settings) as live:
        live.start_worker()
        yield live


@pytest.fixture(scope="module")
def person(bazaar: LiveBazaar) -> LiveUser:
    return bazaar.user(f"{CANARY}-user")


@pytest.fixture(scope="module")
def hook() -> Iterator[str]:
    """The address of a server that webhooks may call."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/hook?key={CANARY}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def used(bazaar: LiveBazaar, person: LiveUser, hook: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Somebody went through the doors, with a canary in each name, address and text."""
    api = HfApi(endpoint=bazaar.url, token=person.token)
    repo = f"{person.name}/{CANARY}-model"
    api.create_repo(repo, private=True)
    api.create_webhook(url=hook, watched=[{"type": "user", "name": person.name}], domains=["repo"])
    content = os.urandom(3_000_000)
    file = tmp_path_factory.mktemp("file") / f"{CANARY}.bin"
    file.write_bytes(content)
    env = bazaar.client_env(person)
    clients.run([clients.program("hf"), "upload", repo, file, f"{CANARY}/{CANARY}.bin"], env=env)
    clients.run(["git", "clone", "-q", bazaar.git_url(repo, person), "clone"], env=env)
    for path in (
        f"/{repo}/resolve/main/{CANARY}/{CANARY}.bin?download={CANARY}",
        f"/{CANARY}?token={person.token}",
        f"/api/models?search={CANARY}",
        f"/api/market/v1/orders?after={CANARY}",
    ):
        headers = {"Authorization": f"Bearer {person.token}"}
        answer = httpx.get(bazaar.url + path, headers=headers, follow_redirects=True, timeout=60)
        assert answer.status_code in {200, 400, 403, 404, 422}, path


@pytest.mark.usefixtures("used")
class TestTraces:
    def test_hold_requests_steps_and_tasks(self, collector: otlp.Receiver) -> None:
        found = collector.wait_for(
            "git.process", "git.open", "blobstore.put", "blobstore.get", "xet.verify", "webhook.call"
        )
        assert {key.key: key.value.int_value for key in found["xet.verify"].attributes} == {
            "bazaar.files": 1,
            "bazaar.bytes": 3_000_000,
        }

    def test_of_a_request_go_on_in_its_tasks(self, collector: otlp.Receiver) -> None:
        """The task was sent by the commit; the webhook is called by the task."""
        call = collector.wait_for("webhook.call")["webhook.call"]
        collector.wait_for_above(call, "run/hub.community.tasks.", "apply_async/hub.community.tasks.")

    def test_name_routes_and_no_addresses(self, collector: otlp.Receiver) -> None:
        spans = collector.all()
        assert any("<repo_id:repo_id>" in span.name or "resolve" in span.name for span in spans)
        keys = {attribute.key for span in spans for attribute in span.attributes}
        assert {"http.route", "http.status_code"} <= keys
        assert keys.isdisjoint({"http.url", "http.target", "db.statement", "http.user_agent", "net.peer.ip"})

    def test_hold_no_secret_and_no_name(
        self, collector: otlp.Receiver, bazaar: LiveBazaar, person: LiveUser
    ) -> None:
        collector.wait_for("webhook.call")
        sent = b"".join(collector.bodies)
        assert b"model-bazaar" in sent
        for secret in (CANARY, person.token, person.password, str(bazaar.data)):
            assert secret.encode() not in sent

    def test_are_named_in_lines_of_the_log(self, collector: otlp.Receiver, bazaar: LiveBazaar) -> None:
        collector.wait_for("webhook.call")
        traces = {span.trace_id.hex() for span in collector.all()}
        named = re.findall(r'"trace_id": ?"([0-9a-f]{32})"', bazaar.log_path.read_text())
        assert traces & set(named)

    def test_continue_that_of_a_trusted_front_server(
        self, collector: otlp.Receiver, bazaar: LiveBazaar
    ) -> None:
        headers = {"traceparent": f"00-{PARENT}-b7ad6b7169203331-01"}
        httpx.get(f"{bazaar.url}/api/models", headers=headers, timeout=60).raise_for_status()
        collector.wait_for("GET api/<plural:kind>", matching=lambda span: span.trace_id.hex() == PARENT)


class TestLostCollector:
    def test_costs_no_request_and_no_exit(self, tmp_path: Path) -> None:
        """Spans that cannot be sent are dropped; the web server answers and stops as ever."""
        script = (
            "import os, sys, time; sys.path.insert(0, '.')\n"
            "os.environ['DJANGO_SETTINGS_MODULE'] = 'bazaar.settings.live_test'\n"
            "from bazaar.wsgi import application\n"
            "from foundation import spans\n"
            "for _ in range(20_000):\n"
            "    with spans.span('step'): pass\n"
            "print(spans.trace_id() == '', 'opentelemetry' in sys.modules)\n"
        )
        with ports.listening_socket() as closed:
            port = closed.getsockname()[1]
        env = {
            **os.environ,
            "BAZAAR_DATA_DIR": str(tmp_path),
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
            "OTEL_TRACES_SAMPLER": "always_on",
        }
        done = subprocess.run(
            [sys.executable, "-c", script], env=env, capture_output=True, text=True, timeout=240, check=True
        )
        assert done.stdout == "True True\n"


class TestOff:
    def test_imports_nothing(self, tmp_path: Path) -> None:
        """The client of Redis imports `opentelemetry.metrics` by itself where it is installed."""
        script = (
            "import os, sys; sys.path.insert(0, '.')\n"
            "os.environ['DJANGO_SETTINGS_MODULE'] = 'bazaar.settings.live_test'\n"
            "import bazaar.wsgi, bazaar.celery\n"
            "bazaar.celery._trace()\n"
            "ours = ('opentelemetry.instrumentation', 'opentelemetry.exporter', 'opentelemetry.sdk.trace')\n"
            "print([name for name in sys.modules if name.startswith((*ours, 'bazaar.tracing.'))])\n"
        )
        env = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
        done = subprocess.run(
            [sys.executable, "-c", script],
            env={**env, "BAZAAR_DATA_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert done.stdout == "[]\n"
