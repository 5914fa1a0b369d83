"""The wheel, as somebody has it who never saw the checkout."""

from __future__ import annotations

import signal
import subprocess
import tarfile
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from bazaar import __version__
from tests.servers.installed import Environment, build
from tests.servers.remote import ROOT
from tests.servers.started import StartedServer

PACKAGES = ("bazaar", "hub", "compute_market", "foundation")
WHEEL_BYTES_MAX = 2 * 1024**2

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


@pytest.fixture(scope="module")
def alone(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The server's wheel alone, with only the packages that it declares."""
    return Environment(tmp_path_factory.mktemp("alone") / "environment", wheels["."], links=True)


def sources() -> set[str]:
    """The files of the four packages, as git knows them."""
    listed = subprocess.run(
        ["git", "ls-files", *PACKAGES], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(listed.stdout.split())


class TestContents:
    def test_wheel_has_every_file_of_the_packages_and_none_of_the_tests(
        self, wheels: dict[str, Path]
    ) -> None:
        with zipfile.ZipFile(wheels["."]) as archive:
            names = {name for name in archive.namelist() if ".dist-info/" not in name}
        for_tests = {"bazaar/settings/test.py", "bazaar/settings/live_test.py"}
        compiled = {"bazaar/locale/zh_Hans/LC_MESSAGES/django.mo"}
        assert names == (sources() - for_tests) | compiled

    def test_wheel_is_small(self, wheels: dict[str, Path]) -> None:
        assert wheels["."].stat().st_size < WHEEL_BYTES_MAX

    def test_source_distribution_has_what_builds_the_wheel_and_no_tests(
        self, wheels: dict[str, Path]
    ) -> None:
        (archive,) = wheels["."].parent.glob("*.tar.gz")
        with tarfile.open(archive) as opened:
            names = {name.partition("/")[2] for name in opened.getnames()}
        assert {"pyproject.toml", "setup.py", "requirements.in", "LICENSE"} <= names
        assert not {name for name in names if name.startswith(("tests", "script", "docs", "packages"))}


class TestServer:
    """`bazaar server`, by somebody who has the wheel, an empty home and no checkout."""

    @pytest.fixture
    def server(self, alone: Environment, tmp_path: Path) -> Iterator[StartedServer]:
        server = StartedServer(
            *("server", "--empty", "--port", "0"),
            program=(str(alone.programs / "bazaar"),),
            env={"HOME": str(tmp_path), "LANG": "C.UTF-8"},
            cwd=tmp_path,
        )
        yield server
        server.end(signal.SIGTERM)

    def test_starts_all_parts_answers_and_stops(
        self, alone: Environment, server: StartedServer, tmp_path: Path
    ) -> None:
        url = server.url
        server.until(r"bazaar manage create_user NAME")
        assert self.get(f"{url}/readyz").startswith('{"ready": true')
        page = self.get(f"{url}/models", **{"Accept-Language": "zh-hans"})
        assert "模型" in page
        sheet = page.partition('rel="stylesheet" href="')[2].partition('"')[0]
        assert "{" in self.get(url + sheet)
        words = ("manage", "create_user", "alice", "--password", "correct horse battery")
        alone.run("bazaar", *words, cwd=tmp_path)
        assert '"alice"' in self.get(f"{url}/api/users/alice/overview")
        assert (tmp_path / ".local" / "share" / "model-bazaar" / "db.sqlite3").exists()
        family = psutil.Process(server.process.pid).children(recursive=True)
        assert server.end(signal.SIGTERM) == 0
        _, left = psutil.wait_procs(family, timeout=30)
        assert not left

    @staticmethod
    def get(url: str, **headers: str) -> str:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60) as answer:
            return str(answer.read().decode())


class TestCommand:
    def test_help_names_its_words_and_the_data_folder(self, alone: Environment, tmp_path: Path) -> None:
        told = alone.run("bazaar", "--help", cwd=tmp_path)
        for word in ("bazaar server", "bazaar manage COMMAND", "bazaar --version", "backup create"):
            assert word in told
        assert str(tmp_path / ".local" / "share" / "model-bazaar") in told
        assert told == alone.run("bazaar", cwd=tmp_path)
        assert not list(tmp_path.iterdir())

    def test_says_its_version(self, alone: Environment, tmp_path: Path) -> None:
        assert alone.run("bazaar", "--version", cwd=tmp_path) == f"model-bazaar {__version__}\n"

    def test_names_itself_in_what_it_tells(self, alone: Environment, tmp_path: Path) -> None:
        assert "usage: bazaar server" in alone.run("bazaar", "server", "--help", cwd=tmp_path)
        assert "usage: bazaar manage doctor" in alone.run(
            "bazaar", "manage", "doctor", "--help", cwd=tmp_path
        )

    def test_makes_the_agent_of_a_node(self, alone: Environment, tmp_path: Path) -> None:
        agent = tmp_path / "agent.py"
        alone.run("python", "-m", "compute_market.runners.assemble", str(agent), cwd=tmp_path)
        assert "--hub" in alone.run("python", str(agent), "--help", cwd=tmp_path)


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
