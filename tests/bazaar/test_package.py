"""The wheel, as somebody has it who never saw the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.servers.remote import ROOT

PARTS = ("bazaar", "hub", "compute_market", "foundation")
FILES = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "requirements.in")

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
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel in it; the rest is this environment's own."""
    source, home = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("home")
    for name in PARTS:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.mo"))
    for name in FILES:
        shutil.copy(ROOT / name, source / name)
    build: list[str | Path] = [
        sys.executable,
        "-m",
        "build",
        "--wheel",
        "--no-isolation",
        "--outdir",
        home,
        source,
    ]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = home.glob("*.whl")
    uv = Path(sysconfig.get_path("scripts")) / "uv"
    environment = home / "environment"
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, environment], check=True)
    install: list[str | Path] = [uv, "pip", "install", "--quiet", "--offline", "--no-deps", "--python"]
    subprocess.run([*install, environment / "bin" / "python", wheel], check=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return environment


def run(*argv: str | Path, cwd: Path, **variables: str) -> str:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("BAZAAR_", "DJANGO_"))}
    # The fixture's migrated database is worth keeping from one run to the next.
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    env |= {"PYTHONPATH": "", "HOME": str(cwd), "XDG_DATA_HOME": "", "XDG_CACHE_HOME": cache, **variables}
    done = subprocess.run(argv, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class TestWheel:
    def test_commands_mean_the_same_data_wherever_they_are_run(self, installed: Path, tmp_path: Path) -> None:
        script = "from django.conf import settings; print(settings.DATA_DIR)"
        told = run(installed / "bin" / "bazaar", "shell", "--verbosity=0", "-c", script, cwd=tmp_path)
        assert told.strip() == str(tmp_path / ".local" / "share" / "model-bazaar")
        words = run(installed / "bin" / "bazaar", "server", "--help", cwd=tmp_path, XDG_DATA_HOME="/else")
        assert "/else/model-bazaar" in words

    def test_gives_another_django_project_its_hub(self, installed: Path, tmp_path: Path) -> None:
        (tmp_path / "mine.py").write_text("SECRET_KEY, ROOT_URLCONF = 'x', 'mine'\nurlpatterns = []\n")
        (tmp_path / "pytest.ini").write_text("[pytest]\n")
        (tmp_path / "test_mine.py").write_text(PROJECT)
        text = run(
            installed / "bin" / "python",
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:django",
            cwd=tmp_path,
            DJANGO_SETTINGS_MODULE="mine",
        )
        assert "1 passed" in text
