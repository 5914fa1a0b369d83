from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bazaar_testing import bundles
from tests.packages.testing.conftest import RunTests
from tests.packages.testing.upstream import Upstream, running

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
    argv = [{sys.executable!r}, "-m", "bazaar_testing.record", "--upstream", model_hub.url]
    argv += ["--repo", "acme/tiny", "--repo", "datasets/acme/rows"]
    argv += ["--out", tmp_path / "b", "--max-bytes", "20000"]
    subprocess.run(argv, check=True)

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


class TestAnotherHub:
    """Recorded from a server that shares no line with ours."""

    @pytest.fixture
    def upstream(self) -> Iterator[Upstream]:
        with running() as upstream:
            upstream.repositories["models/acme/tiny"] = {
                "README.md": b"# tiny",
                "config.json": b"{}",
                "small.bin": b"s" * 900,
                "sub/weights.bin": b"w" * 5000,
            }
            upstream.repositories["datasets/acme/rows"] = {"data.csv": b"a,b\n"}
            yield upstream

    def test_is_read_page_by_page_and_across_origins(self, upstream: Upstream, tmp_path: Path) -> None:
        source = bundles.Upstream(upstream.url, token="hf_secret")
        bundles.record(source, ["acme/tiny", "datasets/acme/rows"], tmp_path, max_bytes=1000)
        (model, files), (rows, data) = bundles.load(tmp_path)
        assert (model["id"], rows["kind"], data) == ("acme/tiny", "dataset", {"data.csv": b"a,b\n"})
        assert sorted(files) == ["README.md", "config.json", "small.bin", "sub/weights.bin"]
        assert files["small.bin"] == b"s" * 900
        assert json.loads(files["sub/weights.bin"]) == {
            "stands_in_for": "sub/weights.bin",
            "size": "5000",
            "oid": "3" * 64,
        }
        # The file that a stand-in replaces was never fetched.
        assert not [path for path in upstream.asked if "resolve" in path and "weights" in path]
        assert len([path for path in upstream.asked if "/tree/" in path]) == 4

    def test_that_is_busy_is_waited_for(self, upstream: Upstream, tmp_path: Path) -> None:
        upstream.busy = 2
        waited: list[float] = []
        source = bundles.Upstream(upstream.url, wait=waited.append)
        bundles.record(source, ["datasets/acme/rows"], tmp_path)
        assert waited == [1.0, 1.0]
        upstream.busy = 100
        with pytest.raises(bundles.CannotRecord, match="429"):
            bundles.record(source, ["datasets/acme/rows"], tmp_path)

    def test_refuses_what_is_gated_missing_or_private(self, upstream: Upstream, tmp_path: Path) -> None:
        upstream.gated.add("models/acme/tiny")
        with pytest.raises(bundles.CannotRecord, match=r"403.*restricted"):
            bundles.record(bundles.Upstream(upstream.url), ["acme/tiny"], tmp_path)
        bundles.record(bundles.Upstream(upstream.url, token="hf_secret"), ["acme/tiny"], tmp_path)
        assert next(bundles.load(tmp_path))[0]["info"]["gated"] == "auto"
        with pytest.raises(bundles.CannotRecord, match="401"):
            bundles.record(bundles.Upstream(upstream.url), ["acme/nothing"], tmp_path)

    def test_that_is_no_hub_is_said_so(self, tmp_path: Path) -> None:
        with pytest.raises(bundles.CannotRecord, match="not an address of the web"):
            bundles.record(bundles.Upstream("ftp://a"), ["acme/tiny"], tmp_path)

    def test_that_says_something_else_is_said_so(self, upstream: Upstream, tmp_path: Path) -> None:
        source = bundles.Upstream(upstream.storage_url)
        upstream.repositories["api/models/acme"] = {"tiny": b"<html>"}
        with pytest.raises(bundles.CannotRecord, match="is no JSON"):
            bundles.record(source, ["acme/tiny"], tmp_path)
