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
def installed(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    folder = tmp_path_factory.mktemp("installed")
    wheels = [build(distribution, folder) for distribution in (".", "packages/client")]
    return Environment(folder / "environment", *wheels, borrows=True)


class TestWheel:
    def test_commands_mean_the_same_data_wherever_they_are_run(
        self, installed: Environment, tmp_path: Path
    ) -> None:
        script = "from django.conf import settings; print(settings.DATA_DIR)"
        told = installed.run("bazaar", "shell", "--verbosity=0", "-c", script, cwd=tmp_path)
        assert told.strip() == str(tmp_path / ".local" / "share" / "model-bazaar")
        words = installed.run("bazaar", "server", "--help", cwd=tmp_path, XDG_DATA_HOME="/else")
        assert "/else/model-bazaar" in words

    def test_gives_another_django_project_its_hub(self, installed: Environment, tmp_path: Path) -> None:
        (tmp_path / "mine.py").write_text("SECRET_KEY, ROOT_URLCONF = 'x', 'mine'\nurlpatterns = []\n")
        (tmp_path / "pytest.ini").write_text("[pytest]\n")
        (tmp_path / "test_mine.py").write_text(PROJECT)
        words = ("-m", "pytest", "-q", "-p", "no:django")
        text = installed.run("python", *words, cwd=tmp_path, DJANGO_SETTINGS_MODULE="mine")
        assert "1 passed" in text
