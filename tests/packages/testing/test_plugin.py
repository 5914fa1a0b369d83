from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bazaar_testing.hub import ModelHub, Server
from tests.packages.testing.conftest import RunTests
from tests.servers import live

BLOCKED = """
import sys
for name in ("bazaar", "hub", "compute_market", "foundation", "django", "celery", "httptools", "redis"):
    sys.modules[name] = None
import bazaar_testing.plugin
"""

FIXTURE = """
import os
import urllib.request
from pathlib import Path

import huggingface_hub
from huggingface_hub import constants, hf_hub_download, list_models


def test_serves_what_was_put_there(model_hub):
    local = Path(os.environ["HF_HOME"]) / "given.txt"
    local.parent.mkdir(parents=True)
    local.write_text("from a file")
    made = model_hub.add_model(
        "acme/tiny",
        files={"config.json": {"a": 1}, "读我.md": "x", "model.safetensors": b"x" * 300_000, "f.txt": local},
    )
    assert Path(hf_hub_download("acme/tiny", "model.safetensors")).read_bytes() == b"x" * 300_000
    assert Path(hf_hub_download("acme/tiny", "f.txt")).read_text() == "from a file"
    assert huggingface_hub.model_info("acme/tiny").sha == made.sha
    assert hf_hub_download("acme/tiny", "f.txt").startswith(model_hub.env["HF_HUB_CACHE"])
    assert ("GET", "/acme/tiny/resolve/main/f.txt") in [(r.method, r.path) for r in model_hub.requests]


def test_starts_clean(model_hub):
    assert list(list_models()) == []
    assert not [r for r in model_hub.requests if "acme" in r.path]
    assert len(model_hub.faults) == 0
    model_hub.faults.add(status=500)


def test_takes_the_name_again(model_hub):
    second = model_hub.add_model("acme/tiny", files={"other.txt": "b"})
    names = [f.rfilename for f in huggingface_hub.model_info("acme/tiny").siblings]
    assert sorted(names) == [".gitattributes", "other.txt"]
    assert model_hub.add_model("acme/tiny", files={"more.txt": "c"}).sha != second.sha
    model_hub.add_dataset("acme/rows", files={"a.jsonl": "{}"})
    assert huggingface_hub.dataset_info("acme/rows").id == "acme/rows"


def test_has_stand_ins_of_the_catalogue(model_hub):
    model_hub.add_model("Qwen/Qwen-72B", like="Qwen/Qwen-72B")
    assert huggingface_hub.model_info("Qwen/Qwen-72B").config["architectures"]


def test_says_what_it_cannot_do(model_hub):
    import pytest

    with pytest.raises(AssertionError, match="no “Qwen/Nothing”"):
        model_hub.add_model("a/b", like="Qwen/Nothing")
    with pytest.raises(AssertionError, match="no colour"):
        model_hub.faults.add(colour="red")


def test_gives_the_environment_back():
    assert os.environ["HF_ENDPOINT"] == "http://a.invalid"
    assert constants.ENDPOINT == "http://a.invalid"
    assert huggingface_hub.HfApi().endpoint == "http://a.invalid"
    assert "HF_TOKEN" not in os.environ
"""

LEAVES = """
def test_where(model_hub, model_hub_server):
    print("URL", model_hub.url)
"""


class TestPlugin:
    def test_needs_nothing_of_the_server(self) -> None:
        subprocess.run(
            [sys.executable, "-c", BLOCKED], env={**os.environ, "PYTHONPATH": live.PYTHONPATH}, check=True
        )

    def test_fixture_is_a_hub_of_ones_own(self, run_tests: RunTests) -> None:
        assert "6 passed" in run_tests(FIXTURE)

    def test_projects_own_packages_are_not_the_hubs(self, run_tests: RunTests, tmp_path: Path) -> None:
        (tmp_path / "hub").mkdir()
        (tmp_path / "hub" / "__init__.py").write_text("raise ImportError('the hub of the project')")
        assert "1 passed" in run_tests(LEAVES)

    def test_another_python_may_run_the_server(self, run_tests: RunTests) -> None:
        text = run_tests(LEAVES, options=[f"--model-hub-python={sys.executable}"])
        assert "URL http://127.0.0.1:" in text

    def test_hub_may_run_elsewhere(self, run_tests: RunTests, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PYTHONPATH", live.PYTHONPATH)
        server = Server()
        try:
            url = server.wait()
            elsewhere = ModelHub(url)
            elsewhere.add_model("acme/left-over")
            text = run_tests(FIXTURE, LEAVES, options=[f"--model-hub-url={url}"])
            assert "7 passed" in text
            assert f"URL {url}" in text
            # The server belongs to somebody else: it keeps running when the session is over.
            assert elsewhere.ask("GET", "/_mock/about")["user"] == "tester"
            elsewhere.close()
        finally:
            server.stop()

    def test_every_worker_of_xdist_has_a_hub(self, run_tests: RunTests) -> None:
        text = "".join(
            f"""
def test_{n}(model_hub):
    import time
    model_hub.add_model("acme/m{n}")
    time.sleep(0.3)
    found = __import__("huggingface_hub").list_models()
    assert [model.id for model in found] == ["acme/m{n}"]
"""
            for n in range(4)
        )
        assert "4 passed" in run_tests(text, options=["-n2"])

    def test_leaves_nothing_behind(self, run_tests: RunTests) -> None:
        text = run_tests("""
def test_where(model_hub):
    import tempfile
    print("TEMP", *__import__("pathlib").Path(tempfile.gettempdir()).glob("model-hub-*"))
""")
        folders = [Path(word) for word in text.split() if "model-hub-" in word]
        assert folders
        assert not any(folder.exists() for folder in folders)

    def test_says_when_the_server_is_not_there(self, run_tests: RunTests) -> None:
        text = run_tests(LEAVES, options=["--model-hub-python=/bin/false"], expect=1)
        assert "The model hub did not start" in text
