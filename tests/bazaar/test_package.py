"""The wheel, as somebody has it who never saw the checkout."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.servers.installed import Environment, build

PROJECT = """
import json, os, urllib.request
from django.conf import settings

def get(url, **headers):
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
        return answer.read().decode()

def test_mine(model_hub):
    assert settings.ROOT_URLCONF == "mine"
    model_hub.add_model("acme/tiny", files={"a.txt": "x"})
    assert [m["id"] for m in json.loads(get(model_hub.url + "/api/models"))] == ["acme/tiny"]
    assert '<html lang="zh-Hans"' in get(model_hub.url + "/models", **{"Accept-Language": "zh-hans"})
    assert "模型" in get(model_hub.url + "/models", **{"Accept-Language": "zh-hans"})
    assert model_hub.market.offer("t4-pcie-16g.cn-east.spot.eth").node
"""


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("wheels")
    return {name: build(name, folder) for name in (".", "packages/client", "packages/testing")}


@pytest.fixture(scope="module")
def installed(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return Environment(tmp_path_factory.mktemp("all") / "environment", *wheels.values(), borrows=True)


class TestWheel:
    def test_commands_mean_the_same_data_wherever_they_are_run(
        self, installed: Environment, tmp_path: Path
    ) -> None:
        script = "from django.conf import settings; print(settings.DATA_DIR)"
        told = installed.run("bazaar", "shell", "--verbosity=0", "-c", script, cwd=tmp_path)
        assert told.strip() == str(tmp_path / ".local" / "share" / "model-bazaar")
        words = installed.run("bazaar", "server", "--help", cwd=tmp_path, XDG_DATA_HOME="/else")
        assert "/else/model-bazaar" in words

    def test_command_has_the_words_of_other_distributions(
        self, installed: Environment, tmp_path: Path
    ) -> None:
        assert "usage: bazaar record" in installed.run("bazaar", "record", "--help", cwd=tmp_path)

    def test_fixture_may_be_installed_without_the_server(
        self, installed: Environment, wheels: dict[str, Path], tmp_path: Path
    ) -> None:
        given = [wheels["packages/client"], wheels["packages/testing"]]
        mine = Environment(tmp_path / "environment", *given, borrows=True)
        mine.run("python", "-c", "import importlib.util as u; assert not u.find_spec('bazaar')", cwd=tmp_path)
        (tmp_path / "pytest.ini").write_text("[pytest]\n")
        (tmp_path / "test_mine.py").write_text(
            "def test_it(model_hub):\n    assert model_hub.user == 'tester'\n"
        )
        server = f"--model-hub-python={installed.programs / 'python'}"
        assert "1 passed" in mine.run("python", "-m", "pytest", "-q", "-p", "no:django", server, cwd=tmp_path)

    def test_gives_another_django_project_its_hub(self, installed: Environment, tmp_path: Path) -> None:
        (tmp_path / "mine.py").write_text("SECRET_KEY, ROOT_URLCONF = 'x', 'mine'\nurlpatterns = []\n")
        (tmp_path / "pytest.ini").write_text("[pytest]\n")
        (tmp_path / "test_mine.py").write_text(PROJECT)
        words = ("-m", "pytest", "-q", "-p", "no:django")
        text = installed.run("python", *words, cwd=tmp_path, DJANGO_SETTINGS_MODULE="mine")
        assert "1 passed" in text
