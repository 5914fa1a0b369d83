"""transformers loads the starter catalogue through the hub, as it would from anywhere."""

from __future__ import annotations

import json

import httpx
import pytest

from tests.servers import clients
from tests.servers.live import LiveBazaar, unique

LOAD = """
import json
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoTokenizer

seen = {}
for repo_id in ("Qwen/Qwen-72B", "X-D-Lab/MindChat-Qwen2-4B", "deepseek-ai/DeepSeek-V2-Lite", "BAAI/bge-m3"):
    config = AutoConfig.from_pretrained(repo_id)
    tokenizer = AutoTokenizer.from_pretrained(repo_id)
    auto = AutoModel if config.architectures[0].endswith("Model") else AutoModelForCausalLM
    model, report = auto.from_pretrained(repo_id, output_loading_info=True)
    tokens = tokenizer("通义千问", return_tensors="pt")
    model(input_ids=tokens["input_ids"])
    seen[repo_id] = {
        "class": type(model).__name__,
        "true_hidden": config.stands_in_for["hidden_size"],
        "text": tokenizer.decode(tokens["input_ids"][0]),
        "wrong": [name for name, found in report.items() if found],
    }
AutoModel.from_pretrained("Qwen/Qwen-72B")
print(json.dumps(seen))
"""


PUSH = """
import sys
import torch
from transformers import AutoModel, BertConfig, BertModel

repo_id = sys.argv[1]
torch.manual_seed(1)
sizes = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
mine = BertModel(BertConfig(vocab_size=5000, **sizes))
mine.push_to_hub(repo_id)
theirs = AutoModel.from_pretrained(repo_id)
for name, weight in mine.state_dict().items():
    assert torch.equal(weight, theirs.state_dict()[name]), name
"""


@pytest.fixture
def seeded(live_bazaar: LiveBazaar) -> LiveBazaar:
    live_bazaar.manage("seed")
    return live_bazaar


class TestTransformers:
    def test_pushes_a_model_that_loads_again(self, live_sqlite: LiveBazaar) -> None:
        python, alice = clients.torch_python(), live_sqlite.alice
        repo_id = f"{alice.name}/{unique('pushed')}"
        env = live_sqlite.client_env(alice)
        clients.run([python, "-c", PUSH, repo_id], env=env, timeout_seconds=280)
        weights = f"{live_sqlite.url}/{repo_id}/resolve/main/model.safetensors"
        answer = httpx.head(weights, headers={"Authorization": f"Bearer {alice.token}"})
        assert len(answer.headers["X-Xet-Hash"]) == 64

    def test_loads_stand_ins_with_config_and_tokenizer(self, seeded: LiveBazaar) -> None:
        python = clients.torch_python()
        done = clients.run_python(LOAD, env=seeded.client_env(), python=python)
        seen = json.loads(done.out.splitlines()[-1])
        assert {repo_id: row["class"] for repo_id, row in seen.items()} == {
            "Qwen/Qwen-72B": "Qwen2ForCausalLM",
            "X-D-Lab/MindChat-Qwen2-4B": "Qwen2ForCausalLM",
            "deepseek-ai/DeepSeek-V2-Lite": "DeepseekV2ForCausalLM",
            "BAAI/bge-m3": "XLMRobertaModel",
        }
        assert seen["Qwen/Qwen-72B"]["true_hidden"] == 8192
        assert {row["text"] for row in seen.values()} == {"通义千问"}
        assert [row["wrong"] for row in seen.values()] == [[]] * 4
