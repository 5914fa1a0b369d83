"""The pytest plugin (entry point `pytest11`): the fixture `model_hub`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bazaar_testing import environment
from bazaar_testing.hub import ModelHub, Server


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("model hub")
    for name, words in (
        ("python", "The Python of an environment in which model-bazaar-testing[server] is installed."),
        ("url", "A hub for tests that runs already (a container); it is reset before each test."),
    ):
        group.addoption(f"--model-hub-{name}", default=None, help=words)
        parser.addini(f"model_hub_{name}", words, default="")


def _option(config: pytest.Config, name: str) -> str:
    return str(config.getoption(f"model_hub_{name}") or config.getini(f"model_hub_{name}") or "")


@pytest.fixture(scope="session")
def model_hub_server(request: pytest.FixtureRequest) -> Iterator[ModelHub]:
    """The session's hub (with pytest-xdist: one for each worker). Tests ask for `model_hub`."""
    if url := _option(request.config, "url"):
        hub = ModelHub(url)
        yield hub
        hub.close()
        return
    server = Server(_option(request.config, "python") or sys.executable)
    try:
        hub = ModelHub(server.wait(), log=server.log)
        yield hub
        hub.close()
    finally:
        server.stop()


@pytest.fixture
def model_hub(model_hub_server: ModelHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelHub]:
    """An empty model hub, to which the environment of this test points all clients."""
    hub = model_hub_server
    hub.reset()
    home: Path = tmp_path_factory.mktemp("model-hub-home")
    hub.env = environment.variables(url=hub.url, token=hub.token, home=home)
    environment.load_clients()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in hub.env.items():
            patch.setitem(os.environ, name, value)
        for target, name, value in environment.remembered(hub.env):
            patch.setattr(target, name, value)
        yield hub
    environment.forget(hub.url)
