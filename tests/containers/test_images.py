"""The image as it is built, and the services of docker-compose.yml as they run.

CI builds the image and runs it alone. `script/images` runs every service, which takes some minutes.
"""

from __future__ import annotations

import json
import os
import secrets
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from bazaar import __version__
from tests.containers import compose
from tests.containers import engine as engines
from tests.containers.compose import Project
from tests.containers.engine import IMAGE, Engine
from tests.containers.journey import Journey
from tests.servers import ports
from tests.waiting import until

# The image is built once, which takes minutes on a machine that does much else.
pytestmark = pytest.mark.timeout(1800)

IMAGE_BYTES_MAX = 520 * 1000**2
SERVICES = os.environ.get("BAZAAR_TEST_SERVICES") == "1"
SCRATCH, ANY_ADDRESS = "/tmp", "0.0.0.0"  # noqa: S104, S108 - of a container
SECRET = "only-for-this-test-" + secrets.token_hex(16)


@pytest.fixture(scope="module")
def image(engine: Engine) -> dict[str, Any]:
    (found,) = json.loads(engine.podman("image", "inspect", IMAGE))
    return dict(found)


def inside(engine: Engine, *words: str) -> str:
    """The output of a program in a new container."""
    own = ("--rm", "--cgroups=disabled", "--network", "none", *engine.limits)
    return engine.podman("run", *own, IMAGE, *words)


class TestImage:
    def test_says_what_it_is_and_when_it_is_healthy(self, image: dict[str, Any]) -> None:
        labels = image["Labels"]
        assert labels["org.opencontainers.image.version"] == __version__
        assert len(labels["org.opencontainers.image.revision"]) == 40
        assert image["User"] == "bazaar"
        assert image["Healthcheck"]["Test"][0] == "CMD"

    def test_is_small(self, image: dict[str, Any]) -> None:
        assert image["Size"] < IMAGE_BYTES_MAX

    def test_has_the_packages_alone_and_no_secret(self, engine: Engine, image: dict[str, Any]) -> None:
        found = set(inside(engine, "ls", "-A", "/app").split())
        assert {name for name in found if not name.endswith(".dist-info")} == {
            *("bazaar", "foundation", "hub", "compute_market", "bin")
        }
        assert not inside(engine, "ls", "-A", "/data")
        names = [entry.partition("=")[0] for entry in image["Config"]["Env"]]
        assert not [name for name in names if any(word in name for word in ("KEY", "SECRET", "PASSWORD"))]

    def test_is_nobody_special_and_can_change_none_of_its_programs(self, engine: Engine) -> None:
        assert inside(engine, "id", "--user").strip() == "10001"
        own = ("find", "/data", "/app", "/venv", "/usr", "-writable", "-not", "-type", "l")
        assert inside(engine, *own).split() == ["/data"]

    def test_knows_its_commands(self, engine: Engine) -> None:
        assert inside(engine, "bazaar", "--version").strip() == f"model-bazaar {__version__}"


class TestOneContainer:
    """The whole hub in one container, on a read-only file system: web, worker, beat and Redis."""

    @pytest.fixture
    def port(self, engine: Engine) -> Iterator[int]:
        (port,) = ports.free_ports(1)
        words = ("run", "--detach", "--name", "one", "--cgroups=disabled", *engine.limits, "--no-healthcheck")
        safe = ("--read-only", "--read-only-tmpfs=false", "--tmpfs", SCRATCH, "--cap-drop", "ALL")
        given = {
            "BAZAAR_SECRET_KEY": SECRET,
            "BAZAAR_PUBLIC_URL": f"http://127.0.0.1:{port}",
            "PROMETHEUS_MULTIPROC_DIR": f"{SCRATCH}/metrics",
        }
        told = [word for name, value in given.items() for word in ("--env", f"{name}={value}")]
        call = ("bazaar", "server", "--empty", "--host", ANY_ADDRESS)
        network = ("--publish", f"127.0.0.1:{port}:8000", "--volume", "one:/data")
        engine.podman(*words, *safe, *told, *network, IMAGE, *call)
        yield port
        engine.succeeds("rm", "--force", "--time", "0", "one")

    def test_starts_answers_and_stops_when_asked(self, engine: Engine, port: int) -> None:
        def ready() -> bool:
            state = engine.podman("inspect", "--format", "{{.State.Status}}", "one").strip()
            assert state == "running", engine.log("one")
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=20) as answer:
                    return bool(answer.status == 200)
            except OSError:
                return False

        until(ready, patience_s=240, pause_s=0.5, what=lambda: engine.log("one"))
        assert engine.podman("exec", "one", "id", "-u").strip() == "10001"
        ping = ("celery", "--app", "bazaar", "inspect", "ping", "--timeout", "10")
        until(lambda: engine.succeeds("exec", "one", *ping), patience_s=120, what=lambda: engine.log("one"))
        assert "ended with code" not in engine.log("one")
        engine.podman("stop", "--time", "60", "one")
        assert engine.podman("inspect", "--format", "{{.State.ExitCode}}", "one").strip() == "0"
        assert "Stopping." in engine.log("one")


@pytest.fixture(scope="module")
def project(engine: Engine) -> Iterator[Project]:
    """All services, started as a newcomer does it: without a file .env."""
    (port,) = ports.free_ports(1)
    (ssh_port,) = ports.free_ports(1)
    given = {"BAZAAR_PORT": str(port), "BAZAAR_SSH_PORT": str(ssh_port)}
    project = Project(engine, subnet=f"10.89.{20 + os.getpid() % 200}", variables=given)
    foreign = {service["image"] for service in project.services.values()} - {"model-bazaar"}
    engines.build_stores(engine, sorted(foreign))
    project.up()
    yield project
    project.down()


@pytest.fixture(scope="module")
def journey(project: Project) -> Journey:
    journey = Journey(project, int(project.variables["BAZAAR_PORT"]))
    journey.sign_up()
    return journey


@pytest.mark.skipif(not SERVICES, reason="some minutes: script/images")
class TestServices:
    def test_serve_a_first_journey_and_keep_it_over_a_restart(
        self, project: Project, journey: Journey
    ) -> None:
        journey.answers()
        journey.upload()
        journey.download()
        number = journey.order()
        lasting = project.lasting()
        codes = {name: project.stop(name) for name in reversed(lasting)}
        # Also the stores: one that is killed may have to repair its files.
        assert codes == dict.fromkeys(lasting, 0)
        for name in lasting:
            project.start(name)
            project.wait(name)
        journey.answers()
        journey.download()
        journey.sees_order(number)

    def test_objects_are_in_the_store_and_nothing_outside_volumes(
        self, project: Project, journey: Journey
    ) -> None:
        assert "blobs" not in project.run_in("web", "ls", "/data").split()
        for name in compose.OURS & set(project.lasting()):
            changed = project.engine.podman("diff", project.container(name)).splitlines()
            assert [line for line in changed if line.startswith("A")] == [], name
