"""Runs the services of docker-compose.yml by podman as `docker compose` runs them, without a registry."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.containers.engine import IMAGE, Engine
from tests.servers.remote import ROOT
from tests.waiting import until

FILE = ROOT / "docker-compose.yml"
# Programs of the images that are had from a registry, in the image that stands in for them.
ENTRYPOINTS = {name: f"/usr/local/bin/{name}.sh" for name in ("postgres", "redis", "objects")}
KNOWN = frozenset(
    "build image restart read_only tmpfs cap_drop security_opt stop_grace_period environment volumes"
    " depends_on command healthcheck network_mode ports".split()
)
HEALTHY = "service_healthy"
# The services that run the bazaar's own image.
OURS = frozenset(("keys", "prepare", "web", "tunnels", "ssh", "worker", "beat"))
PATIENCE_SECONDS = 180
_VARIABLE = re.compile(r"\$\{(\w+)(?:(:-|:\?)([^${}]*))?\}")


def substitute(text: str, variables: Mapping[str, str]) -> str:
    """`${NAME}`, `${NAME:-default}`, `${NAME:?message}` and `$$`, as docker compose reads them.

    Raises KeyError, with the message, for a variable that must be given.
    """

    def value(found: re.Match[str]) -> str:
        name, how, other = found.groups()
        given = variables.get(name, "")
        if not given and how == ":?":
            raise KeyError(f"{name}: {other}")
        return given or (other or "")

    text = text.replace("$$", "\0")
    while (changed := _VARIABLE.sub(value, text)) != text:
        text = changed
    return text.replace("\0", "$")


def services(variables: Mapping[str, str]) -> dict[str, Any]:
    """The services of the file with these variables in place. Raises KeyError, AssertionError."""
    loaded = _substituted(yaml.safe_load(FILE.read_text())["services"], variables)
    for name, service in loaded.items():
        assert set(service) <= KNOWN, f"{name} has what is not understood here: {set(service) - KNOWN}"
    return dict(loaded)


def _substituted(value: Any, variables: Mapping[str, str]) -> Any:
    """The same structure with the variables of all its texts in place: what is given stays a text."""
    if isinstance(value, dict):
        return {key: _substituted(each, variables) for key, each in value.items()}
    if isinstance(value, list):
        return [_substituted(each, variables) for each in value]
    return substitute(value, variables) if isinstance(value, str) else value


def in_order(given: Mapping[str, Any]) -> Iterator[str]:
    """The names of services, each after those that it depends on."""
    told: set[str] = set()

    def tell(name: str) -> Iterator[str]:
        if name not in told:
            told.add(name)
            for other in given[name].get("depends_on", {}):
                yield from tell(other)
            yield name

    for name in given:
        yield from tell(name)


@dataclass
class Project:
    """One `docker compose up`, with containers and volumes of its own."""

    engine: Engine
    subnet: str
    variables: Mapping[str, str]
    name: str = "bazaar"
    services: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.services = services(self.variables)
        self.engine.podman("network", "create", "--subnet", f"{self.subnet}.0/24", self.name)

    def address(self, service: str) -> str:
        """The address of a service in the network of the project."""
        return f"{self.subnet}.{10 + list(self.services).index(service)}"

    def container(self, service: str) -> str:
        return f"{self.name}-{service}"

    def up(self) -> None:
        """Start every service after those that it waits for."""
        for name in in_order(self.services):
            for other, how in self.services[name].get("depends_on", {}).items():
                if how["condition"] == HEALTHY:
                    self.wait(other)
            self.engine.podman(*self._words(name, lasts=name in self.lasting()))
        for name in self.lasting():
            self.wait(name)

    def down(self) -> None:
        """Remove the containers, the volumes and the network of the project."""
        for name in reversed(list(in_order(self.services))):
            self.engine.succeeds("rm", "--force", "--time", "0", "--volumes", self.container(name))
        self.engine.succeeds("network", "rm", self.name)

    def lasting(self) -> list[str]:
        """The services that stay, in the order of their start."""
        return [
            name for name in in_order(self.services) if "test" in self.services[name].get("healthcheck", {})
        ]

    def wait(self, service: str) -> None:
        """Wait until the service's own health check passes. AssertionError with its log if it does not."""
        kind, *words = self.services[service]["healthcheck"]["test"]
        argv = ["sh", "-c", *words] if kind == "CMD-SHELL" else words

        def healthy() -> bool:
            state = self._inspected(service, "{{.State.Status}}")
            assert state == "running", f"{service} is {state}:\n{self.log(service)}"
            return self.engine.succeeds("exec", self.container(service), *argv)

        until(
            healthy,
            what=lambda: f"{service} is not healthy:\n{self.log(service)}",
            patience_s=PATIENCE_SECONDS,
            pause_s=0.5,
        )

    def _inspected(self, service: str, what: str) -> str:
        return self.engine.podman("inspect", "--format", what, self.container(service)).strip()

    def log(self, service: str) -> str:
        return self.engine.log(self.container(service))

    def run_in(self, service: str, *words: str) -> str:
        """The output of a program in a running service."""
        return self.engine.podman("exec", self.container(service), *words)

    def stop(self, service: str) -> int:
        """Stop a service as `docker compose stop` does; gives its exit code."""
        self.engine.podman("stop", self.container(service))
        return int(self._inspected(service, "{{.State.ExitCode}}"))

    def start(self, service: str) -> None:
        """Start a stopped service again; the caller waits for it."""
        self.engine.podman("start", self.container(service))

    # ---- one service as words of podman ----------------------------------------------------------

    def _words(self, name: str, *, lasts: bool) -> list[str]:
        service = self.services[name]
        words = ["run", "--cgroups=disabled", "--pull", "never", *self.engine.limits]
        words += ["--detach"] if lasts else []
        words += ["--name", self.container(name), "--no-healthcheck"]
        words += ["--stop-timeout", service.get("stop_grace_period", "10s").removesuffix("s")]
        if service.get("read_only"):
            words += ["--read-only", "--read-only-tmpfs=false"]
        for option, key in {"--tmpfs": "tmpfs", "--cap-drop": "cap_drop"}.items():
            words += [word for value in service.get(key, []) for word in (option, value)]
        for value in service.get("security_opt", []):
            words += ["--security-opt", value.partition(":")[0]]
        for variable, value in service.get("environment", {}).items():
            words += ["--env", f"{variable}={value}"]
        for volume in service.get("volumes", []):
            words += ["--volume", self._volume(volume)]
        words += self._network(name)
        if name in ENTRYPOINTS:
            words += ["--entrypoint", ENTRYPOINTS[name]]
        image = IMAGE if service["image"] == "model-bazaar" else service["image"]
        return [*words, image, *service.get("command", [])]

    def _volume(self, text: str) -> str:
        source, _, rest = text.partition(":")
        return f"{Path(ROOT, source) if source.startswith('.') else f'{self.name}-{source}'}:{rest}"

    def _network(self, name: str) -> list[str]:
        service = self.services[name]
        if service.get("network_mode") == "none":
            return ["--network", "none"]
        words = ["--network", self.name, "--ip", self.address(name)]
        for other in self.services:
            words += ["--add-host", f"{other}:{self.address(other)}"]
        for port in service.get("ports", []):
            words += ["--publish", f"127.0.0.1:{port}"]
        return words
