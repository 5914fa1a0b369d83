from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from safetensors.numpy import save

from hub import gitstore
from hub.accounts.models import Namespace
from hub.accounts.principals import SYSTEM
from hub.repos import services as repos
from hub.repos.models import Repository
from hub.revisions import indexing
from hub.revisions.facts import safetensors
from hub.revisions.models import RepositoryFacts, RepositoryTag
from hub.revisions.signals import revision_indexed
from tests.hub.revisions.facts.test_headers import gguf_file

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
CARD = b"""---
license: apache-2.0
language: [zh, en]
base_model: Qwen/Qwen2-7B
datasets: [ns/data]
tags: [chat]
---
# MindChat
See https://arxiv.org/abs/2309.16609.
"""
CONFIG = b'{"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2"}'

pytestmark = pytest.mark.django_db


def make(kind: str = "model", **files: bytes) -> Repository:
    Namespace.objects.get_or_create(name="lab", key="lab", kind="organization")
    named = {name.replace("__", "."): content for name, content in files.items()}
    request = repos.NewRepository(kind=kind, repo_id="lab/thing", files=named)
    return repos.create_repository(actor=SYSTEM, request=request, now=NOW)


def index(repository: Repository) -> RepositoryFacts:
    facts = indexing.read_facts(repository, repository.head_sha)
    indexing.store_facts(repository, facts, now=NOW)
    return RepositoryFacts.objects.get(repository=repository)


class TestReadAndStore:
    def test_tells_a_model_by_its_files(self) -> None:
        weights = save({"w": np.zeros((4, 5), np.float32)})
        stored = index(make(README__md=CARD, config__json=CONFIG, model__safetensors=weights))
        assert stored.pipeline_tag == "text-generation"
        assert stored.library_name == "transformers"
        assert stored.safetensors == {"parameters": {"F32": 20}, "total": 20}
        assert stored.card_data is not None
        assert stored.card_data["license"] == "apache-2.0"
        assert stored.tags == [
            "transformers",
            "safetensors",
            "qwen2",
            "text-generation",
            "dataset:ns/data",
            "base_model:Qwen/Qwen2-7B",
            "base_model:finetune:Qwen/Qwen2-7B",
            "zh",
            "en",
            "chat",
            "license:apache-2.0",
            "arxiv:2309.16609",
            "region:us",
        ]
        assert stored.siblings is not None
        assert [sibling[0] for sibling in stored.siblings] == [
            ".gitattributes",
            "README.md",
            "config.json",
            "model.safetensors",
        ]

    def test_knows_a_pointer_by_its_real_size(self) -> None:
        pointer = gitstore.Pointer(oid="a" * 64, size=5_000_000)
        stored = index(make(big__bin=pointer.render()))
        assert stored.siblings is not None
        (sibling,) = [found for found in stored.siblings if found[0] == "big.bin"]
        assert sibling[1] == 5_000_000
        assert sibling[3] == "a" * 64
        assert sibling[4] == len(pointer.render())
        assert stored.used_storage_bytes > 5_000_000

    def test_tells_a_dataset_in_its_own_words(self) -> None:
        card = b"---\ntask_categories: [question-answering]\nlanguage: zh\nsize_categories: 1K<n<10K\n---\n"
        stored = index(make("dataset", README__md=card, data__csv=b"a,b\n"))
        assert stored.tags == [
            "task_categories:question-answering",
            "language:zh",
            "size_categories:1K<n<10K",
            "format:csv",
            "region:us",
        ]
        assert stored.pipeline_tag == ""

    @pytest.mark.parametrize(
        "content", [b"", b"\xff\xfe\x00", b"---\n: [\n---\n", b"---\na: &a [*a]\n---\n", b"{" * 5000]
    )
    def test_takes_any_malformed_file(self, content: bytes) -> None:
        files = {"README__md": content, "config__json": content, "tokenizer_config__json": content}
        stored = index(make(**files, model__safetensors=content, x__gguf=content))
        assert stored.safetensors is None
        assert stored.files_total == 6

    def test_reads_the_header_of_an_unchanged_blob_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        repository = make(model__safetensors=save({"w": np.zeros(3, np.float32)}))
        index(repository)
        monkeypatch.setattr(safetensors, "read", lambda _: pytest.fail("read again"))
        assert index(repository).safetensors == {"parameters": {"F32": 3}, "total": 3}

    def test_reads_headers_up_to_an_allowance(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(indexing, "HEADER_BYTES_MAX", 10)
        assert index(make(model__safetensors=save({"w": np.zeros(3, np.float32)}))).safetensors is None

    def test_replaces_tags_and_announces(self) -> None:
        repository = make(README__md=CARD)
        heard: list[str] = []

        def hear(*, facts: indexing.Facts, **_: object) -> None:
            heard.append(facts.commit)

        revision_indexed.connect(hear)
        try:
            index(repository)
            facts = indexing.read_facts(repository, repository.head_sha)
            kept = [tag for tag in facts.tags if tag.value != "zh"]
            indexing.store_facts(repository, indexing.Facts("b" * 40, [], 0, 0, tags=kept), now=NOW)
        finally:
            revision_indexed.disconnect(hear)
        assert heard == [repository.head_sha, "b" * 40]
        values = set(RepositoryTag.objects.filter(repository=repository).values_list("value", flat=True))
        assert values == {tag.value for tag in kept}


class TestGguf:
    def test_facts_are_of_the_model_in_folders_and_shards(self) -> None:
        llama = {"general.architecture": "llama"}
        repository = make(
            **{
                "mmproj-F16.gguf": gguf_file({"general.architecture": "clip"}, {"c": [7]}),
                "lora.gguf": gguf_file(llama | {"general.type": "adapter"}, {"a": [9]}),
            }
        )
        git = gitstore.open_repository(repository.storage)
        shards = {
            "Q8_0/m-00001-of-00002.gguf": gguf_file(llama, {"w": [100]}),
            "Q8_0/m-00002-of-00002.gguf": gguf_file({}, {"w": [300]}),
        }
        changes = {path: (git.write_blob(data), 0o100644) for path, data in shards.items()}
        tree = git.write_tree(repository.head_sha, changes)
        author = gitstore.Author("a", "a@example.org")
        commit = git.write_commit(
            tree=tree, parents=[repository.head_sha], message="m", author=author, at=NOW
        )
        facts = indexing.read_facts(repository, commit)
        assert facts.gguf == {"total": 400, "architecture": "llama"}
        assert facts.parameters_total == 400
