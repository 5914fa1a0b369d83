"""Lists and search with the real client."""

from __future__ import annotations

import json

import pytest

from tests.servers import clients
from tests.servers.live import LiveBazaar

ASK = """
import json
from huggingface_hub import HfApi

api = HfApi()
ids = lambda found: [row.id for row in found]
pages = list(api.list_models(sort="downloads", limit=None))
print(json.dumps({
    "pieces": sorted(ids(api.list_models(search="qwen-72b"))),
    "author": sorted(ids(api.list_models(author="X-D-Lab", limit=3))),
    "filter": sorted(ids(api.list_models(filter=["zh", "license:gpl-3.0", "psychology"]))),
    "task": ids(api.list_models(pipeline_tag="sentence-similarity")),
    "base": ids(api.list_models(filter="base_model:finetune:Qwen/Qwen-72B")),
    "chinese": sorted(ids(api.list_models(search="百川"))),
    "datasets": ids(api.list_datasets(search="ceval")),
    "spaces": ids(api.list_spaces(models="Qwen/Qwen-72B-Chat")),
    "pages": len(pages) == len({row.id for row in pages}) and len(pages) >= 48,
    "about": [(row.id, row.title) for row in api.search_spaces("心理")]
        if hasattr(api, "search_spaces") else None,
    "full": bool(next(iter(api.list_models(search="Qwen-72B", full=True, limit=1))).siblings),
    "children": api.model_info("Qwen/Qwen-72B", expand=["childrenModelCount"]).children_model_count
        if hasattr(api.model_info("Qwen/Qwen-72B"), "children_model_count") else None,
}))
"""


@pytest.fixture
def seeded(live_bazaar: LiveBazaar) -> LiveBazaar:
    live_bazaar.manage("seed")
    return live_bazaar


class TestLists:
    @pytest.mark.parametrize("client", ["newest", "0.36"])
    def test_answer_the_hugging_face_client(self, seeded: LiveBazaar, client: str) -> None:
        python = None if client == "newest" else clients.old_huggingface_environment() / "bin" / "python"
        done = clients.run_python(ASK, env=seeded.client_env(), python=python)
        seen = json.loads(done.out.splitlines()[-1])
        assert seen["pieces"] == ["Qwen/Qwen-72B", "Qwen/Qwen-72B-Chat"]
        assert len(seen["author"]) == 3
        assert len(seen["filter"]) == 5
        assert seen["task"] == ["BAAI/bge-m3"]
        assert seen["base"] == ["Qwen/Qwen-72B-Chat"]
        assert {found.partition("/")[0] for found in seen["chinese"]} == {"baichuan-inc"}
        assert seen["datasets"] == ["ceval/ceval-exam"]
        assert seen["spaces"] == ["Qwen/Qwen-72B-Chat-Demo"]
        # Two calls that the old client does not have.
        is_newest = client == "newest"
        assert seen["about"] == ([["X-D-Lab/MindChat", "漫谈 MindChat"]] if is_newest else None)
        assert seen["pages"]
        assert seen["full"]
        assert seen["children"] == ({"finetune": 1} if is_newest else None)
