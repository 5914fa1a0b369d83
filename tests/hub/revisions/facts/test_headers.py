from __future__ import annotations

import json
import struct
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

from hub.revisions.facts import config, gguf, safetensors


class Ranges:
    """A file that remembers how much of it was read."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.read_bytes = 0

    def __call__(self, start: int, length: int) -> bytes:
        piece = self.data[start : start + length]
        self.read_bytes += len(piece)
        return piece


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def gguf_file(entries: dict[str, Any], tensors: dict[str, list[int]]) -> bytes:
    out = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(entries))
    for name, value in entries.items():
        out += text(name)
        if isinstance(value, int):
            out += struct.pack("<II", 4, value)
        elif isinstance(value, list):
            out += struct.pack("<IIQ", 9, 8, len(value)) + b"".join(map(text, value))
        else:
            out += struct.pack("<I", 8) + text(value)
    for name, shape in tensors.items():
        out += text(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *shape)
        out += struct.pack("<IQ", 1, 0)
    return out


class TestSafetensors:
    def test_counts_parameters_by_dtype_from_the_header_alone(self) -> None:
        file = Ranges(save({"a": np.zeros((200, 3000), np.float32), "b": np.zeros(7, np.float16)}))
        assert safetensors.read(file) == {"F32": 600_000, "F16": 7}
        assert file.read_bytes <= 64 * 1024

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"\x01",
            struct.pack("<Q", 2**63) + b"{}",
            struct.pack("<Q", 100) + b"{}",
            struct.pack("<Q", 2) + b"[]",
            struct.pack("<Q", 14) + b'{"a":{"dtype":1',
            struct.pack("<Q", 44) + b'{"a":{"dtype":"F32","shape":[-1],"x":[0,0]}}',
        ],
    )
    def test_gives_nothing_for_a_malformed_file(self, data: bytes) -> None:
        assert safetensors.read(Ranges(data)) is None

    @given(st.binary(max_size=300))
    def test_never_raises(self, data: bytes) -> None:
        safetensors.read(Ranges(struct.pack("<Q", max(2, len(data))) + data))
        gguf.read(Ranges(b"GGUF" + struct.pack("<I", 3) + data))

    def test_follows_the_index_to_the_shards(self) -> None:
        names = ["model-1.safetensors", "model-2.safetensors", "other.safetensors"]
        index = json.dumps({"weight_map": {"a": names[0], "b": names[1]}}).encode()
        assert safetensors.files(names, index) == names[:2]

    @pytest.mark.parametrize("index", [b"", b"[]", b'{"weight_map": 3}', b'{"weight_map": {"a": ["x"]}}'])
    def test_takes_one_file_when_the_index_is_broken(self, index: bytes) -> None:
        assert safetensors.files(["model.safetensors", "x.safetensors"], index) == ["model.safetensors"]


class TestGguf:
    def test_tells_architecture_context_and_parameters(self) -> None:
        entries = {
            "general.architecture": "qwen2",
            "qwen2.context_length": 32768,
            "tokenizer.chat_template": "{{x}}",
            "tokenizer.ggml.tokens": ["a", "b"] * 5000,
        }
        file = Ranges(gguf_file(entries, {"w": [64, 32], "b": [32]}) + bytes(4_000_000))
        assert gguf.read(file) == {
            "total": 64 * 32 + 32,
            "architecture": "qwen2",
            "context_length": 32768,
            "chat_template": "{{x}}",
        }
        assert file.read_bytes < 1_000_000

    def test_passes_over_what_it_does_not_need(self) -> None:
        scores = text("tokenizer.ggml.scores") + struct.pack("<IIQ", 9, 6, 5_000_000) + bytes(20_000_000)
        head = gguf_file({"general.architecture": "qwen2"}, {})
        file = Ranges(head[:16] + struct.pack("<Q", 2) + head[24:] + scores)
        assert gguf.read(file) == {"total": 0, "architecture": "qwen2"}
        assert file.read_bytes < 1_000_000

    def test_gives_up_on_endless_arrays_quickly(self) -> None:
        bomb = b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("x") + struct.pack("<IIQ", 9, 8, 5_000_000)
        started = time.perf_counter()
        assert gguf.read(Ranges(bomb + bytes(40_000_000))) is None
        assert time.perf_counter() - started < 1

    def test_gives_nothing_for_a_cut_file(self) -> None:
        data = gguf_file({"general.architecture": "qwen2"}, {"w": [2]})
        assert gguf.read(Ranges(data[:-5])) is None

    @pytest.mark.parametrize(("order", "version"), [("<", 1), (">", 1), (">", 2), (">", 3)])
    def test_reads_the_first_version_and_the_other_byte_order(self, order: str, version: int) -> None:
        size = "I" if version == 1 else "Q"

        def put(value: str) -> bytes:
            return struct.pack(f"{order}{size}", len(value)) + value.encode()

        data = b"GGUF" + struct.pack(f"{order}I{size}{size}", version, 1, 2)
        data += put("general.architecture") + struct.pack(f"{order}I", 8) + put("llama")
        data += put("llama.context_length") + struct.pack(f"{order}II", 4, 4096)
        data += put("w") + struct.pack(f"{order}I{size}{size}IQ", 2, 30, 50, 1, 0)
        assert gguf.read(Ranges(data)) == {"total": 1500, "architecture": "llama", "context_length": 4096}

    @pytest.mark.parametrize("kind", [{"general.architecture": "clip"}, {"general.type": "adapter"}])
    def test_tells_a_projector_or_an_adapter_from_a_model(self, kind: dict[str, str]) -> None:
        header = gguf.read(Ranges(gguf_file(kind | {"tokenizer.chat_template": "x"}, {"w": [7]})))
        assert header is not None
        assert "chat_template" not in header
        assert gguf.combine([header]) is None

    def test_groups_shards_and_leaves_projectors_out(self) -> None:
        paths = [
            "Q8_0/m-00001-of-00002.gguf",
            "Q8_0/m-00002-of-00002.gguf",
            "mmproj-F16.gguf",
            "part-00001-of-00002.gguf",
            "z.gguf",
            "README.md",
        ]
        assert gguf.models(paths) == [["z.gguf"], paths[:2], ["part-00001-of-00002.gguf"]]

    def test_adds_the_parameters_of_all_shards(self) -> None:
        first = {"total": 100, "architecture": "llama", "chat_template": "x"}
        assert gguf.combine([first, {"total": 300}]) == first | {"total": 400}


class TestTensors:
    def test_are_listed_with_their_shapes(self) -> None:
        file = Ranges(save({"a": np.zeros((2, 3), np.float32)}, metadata={"format": "pt"}))
        header = safetensors.read_tensors(file, bytes_max=1 << 20)
        assert header is not None
        assert header.metadata == {"format": "pt"}
        assert [(t.name, t.dtype, t.shape, t.parameters) for t in header.tensors] == [("a", "F32", (2, 3), 6)]

    @pytest.mark.parametrize(
        "shape", ['[300000000,"a"]', '[9,["a"]]', "[-1]", "[1.5]", "[true]", f"[{10**30}]"]
    )
    def test_have_sizes_that_are_whole_numbers(self, shape: str) -> None:
        header = b'{"a":{"dtype":"F32","shape":%s,"data_offsets":[0,0]}}' % shape.encode()
        assert safetensors.parse_tensors(header) is None

    def test_of_a_header_of_brackets_are_not_read(self) -> None:
        assert safetensors.parse_tensors(b'{"a":[' + b"[]," * 2_000_000 + b"1]}") is None


class TestConfig:
    def test_is_trimmed_to_what_libraries_ask_for(self) -> None:
        raw = {"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "hidden_size": 8}
        tokenizer = {"eos_token": {"content": "<|end|>"}, "bos_token": None, "chat_template": "x", "junk": 1}
        assert config.trim(raw, tokenizer) == {
            "architectures": ["Qwen2ForCausalLM"],
            "model_type": "qwen2",
            "tokenizer_config": {"eos_token": "<|end|>", "bos_token": None, "chat_template": "x"},
        }

    def test_tells_the_class_that_loads_it(self) -> None:
        raw = {"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2"}
        assert config.transformers_info(raw, "text-generation") == {
            "auto_model": "AutoModelForCausalLM",
            "pipeline_tag": "text-generation",
            "processor": "AutoTokenizer",
        }

    @pytest.mark.parametrize("data", [None, b"", b"[]", b"{", b"[" * 100_000, b"nul", b"\xff\xfe"])
    def test_reads_any_bytes(self, data: bytes | None) -> None:
        assert config.read_json(data) is None
