from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from bazaar.testing import bundles
from tests.bazaar.testing.conftest import RunTests
from tests.servers.remote import ROOT

ROUND = f"""
import json, os, subprocess
from pathlib import Path
import huggingface_hub
from huggingface_hub import hf_hub_download

def test_round(model_hub, tmp_path):
    files = {{"config.json": {{"a": 1}}, "读 我.md": "words", "empty": b""}}
    files["w.safetensors"] = os.urandom(50_000)
    model_hub.add_model("acme/tiny", files=files, private=True)
    model_hub.add_dataset("acme/rows", files={{f"data/{{n:03}}.txt": str(n) for n in range(40)}})
    argv = [{sys.executable!r}, "-m", "bazaar", "record", "--upstream", model_hub.url]
    argv += ["--repo", "acme/tiny", "--repo", "datasets/acme/rows"]
    argv += ["--out", tmp_path / "b", "--max-bytes", "20000"]
    env = {{**os.environ, "DJANGO_SETTINGS_MODULE": "bazaar.settings.dev"}}
    env["BAZAAR_DATA_DIR"] = str(tmp_path / "d")
    subprocess.run(argv, check=True, env=env, cwd={str(ROOT)!r})

    model_hub.reset()
    made = model_hub.load_bundle(tmp_path / "b")
    assert [(r.kind, r.id) for r in made] == [("model", "acme/tiny"), ("dataset", "acme/rows")]
    assert huggingface_hub.model_info("acme/tiny").private
    assert Path(hf_hub_download("acme/tiny", "读 我.md")).read_text() == "words"
    assert Path(hf_hub_download("acme/tiny", "empty")).read_bytes() == b""
    assert Path(hf_hub_download("acme/rows", "data/039.txt", repo_type="dataset")).read_text() == "39"
    weights = Path(hf_hub_download("acme/tiny", "w.safetensors")).read_bytes()
    assert len(weights) < 1000 and b'"size": "50000"' in weights
"""


class TestBundles:
    def test_bring_a_hub_into_the_test(self, run_tests: RunTests) -> None:
        assert "1 passed" in run_tests(ROUND)

    @pytest.mark.parametrize("text", ["tiny", "a/b/c", "spaces/a/b/c", ""])
    def test_names_must_be_whole(self, text: str) -> None:
        with pytest.raises(bundles.CannotRecord, match="is not OWNER/NAME"):
            bundles.parse_name(text)

    def test_folder_must_be_a_bundle(self, tmp_path: Path) -> None:
        with pytest.raises(bundles.CannotRecord, match="is no bundle"):
            list(bundles.load(tmp_path))
        (tmp_path / "bundle.json").write_text(json.dumps({"format": 9}))
        with pytest.raises(bundles.CannotRecord, match="format 9"):
            list(bundles.load(tmp_path))
