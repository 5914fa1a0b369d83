"""Stand-in weights, which load but are random: the original's architecture and tensor names, in kilobytes.

They are computed on demand from the repository's id, with the same bytes every time.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import numpy as np

from hub.catalogue.entries import Entry

VOCABULARY = 320
HIDDEN = 32
LAYERS = 2
HEADS = 4
HEAD = HIDDEN // HEADS
FEED_FORWARD = 64
EXPERT = 16
EXPERTS = 4
CONTEXT = 256
# XLM-RoBERTa counts positions from behind the padding token's id.
ENCODER_CONTEXT = 520
QUERY_RANK, KEY_VALUE_RANK, NOPE, ROPE = 16, 8, 8, 4
ENCODERS = frozenset({"bert", "xlm-roberta"})

Shapes = Iterator[tuple[str, tuple[int, ...]]]

ARCHITECTURES = {
    "llama": "LlamaForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
    "qwen3_moe": "Qwen3MoeForCausalLM",
    "glm": "GlmForCausalLM",
    "deepseek_v2": "DeepseekV2ForCausalLM",
    "deepseek_v3": "DeepseekV3ForCausalLM",
    "minicpm3": "MiniCPM3ForCausalLM",
    "bert": "BertModel",
    "xlm-roberta": "XLMRobertaModel",
}


# ---- config.json ---------------------------------------------------------------------------------


def config(entry: Entry) -> dict[str, Any]:
    """A config that transformers loads. `stands_in_for` holds the sizes of the original."""
    assert entry.sizes is not None
    shape: dict[str, Any] = {
        "architectures": [ARCHITECTURES[entry.family]],
        "model_type": entry.family,
        "vocab_size": VOCABULARY,
        "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "intermediate_size": FEED_FORWARD,
        "max_position_embeddings": CONTEXT,
        "torch_dtype": "bfloat16",
    }
    if entry.family in ENCODERS:
        shape |= {
            "pad_token_id": SPECIAL["<|pad|>"],
            "type_vocab_size": 2,
            "max_position_embeddings": ENCODER_CONTEXT,
        }
    else:
        shape |= {
            "num_key_value_heads": key_value_heads(entry),
            "tie_word_embeddings": entry.tied,
            "bos_token_id": SPECIAL["<|endoftext|>"],
            "eos_token_id": SPECIAL["<|im_end|>" if entry.chat else "<|endoftext|>"],
            "pad_token_id": SPECIAL["<|pad|>"],
        }
    return {**shape, **MORE.get(entry.family, {}), "stands_in_for": original(entry)}


def original(entry: Entry) -> dict[str, Any]:
    """The true figures, under the names that config files use."""
    assert entry.sizes is not None
    names = {
        "layers": "num_hidden_layers",
        "hidden": "hidden_size",
        "heads": "num_attention_heads",
        "key_value_heads": "num_key_value_heads",
        "feed_forward": "intermediate_size",
        "vocabulary": "vocab_size",
        "context": "max_position_embeddings",
    }
    figures = {names.get(name, name): value for name, value in asdict(entry.sizes).items()}
    return {"repo_id": entry.id, "architecture": entry.remote or ARCHITECTURES[entry.family], **figures}


def key_value_heads(entry: Entry) -> int:
    """Grouped where the original's are grouped."""
    assert entry.sizes is not None
    return HEADS if entry.sizes.key_value_heads == entry.sizes.heads else HEADS // 2


_LATENT = {
    "kv_lora_rank": KEY_VALUE_RANK,
    "qk_nope_head_dim": NOPE,
    "qk_rope_head_dim": ROPE,
    "v_head_dim": HEAD,
}
_EXPERTS = {
    "n_routed_experts": EXPERTS,
    "num_experts_per_tok": 2,
    "n_shared_experts": 1,
    "moe_intermediate_size": EXPERT,
    "first_k_dense_replace": 1,
    "n_group": 1,
    "topk_group": 1,
}
MORE: dict[str, dict[str, Any]] = {
    "qwen3": {"head_dim": HEAD},
    "qwen3_moe": {
        "head_dim": HEAD,
        "num_experts": EXPERTS,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": EXPERT,
    },
    "glm": {"head_dim": HEAD},
    "deepseek_v2": {**_LATENT, **_EXPERTS, "q_lora_rank": None},
    "deepseek_v3": {**_LATENT, **_EXPERTS, "q_lora_rank": QUERY_RANK},
    "minicpm3": {**_LATENT, "q_lora_rank": QUERY_RANK},
}


# ---- model.safetensors ---------------------------------------------------------------------------


def _attention(at: str, entry: Entry, *, bias: bool = False, norms: bool = False) -> Shapes:
    narrow = key_value_heads(entry) * HEAD
    for name, width in (("q_proj", HIDDEN), ("k_proj", narrow), ("v_proj", narrow)):
        yield f"{at}.{name}.weight", (width, HIDDEN)
        if bias:
            yield f"{at}.{name}.bias", (width,)
    yield f"{at}.o_proj.weight", (HIDDEN, HIDDEN)
    if norms:
        yield f"{at}.q_norm.weight", (HEAD,)
        yield f"{at}.k_norm.weight", (HEAD,)


def _latent_attention(at: str, *, low_rank_query: bool) -> Shapes:
    query = HEADS * (NOPE + ROPE)
    if low_rank_query:
        yield f"{at}.q_a_proj.weight", (QUERY_RANK, HIDDEN)
        yield f"{at}.q_a_layernorm.weight", (QUERY_RANK,)
        yield f"{at}.q_b_proj.weight", (query, QUERY_RANK)
    else:
        yield f"{at}.q_proj.weight", (query, HIDDEN)
    yield f"{at}.kv_a_proj_with_mqa.weight", (KEY_VALUE_RANK + ROPE, HIDDEN)
    yield f"{at}.kv_a_layernorm.weight", (KEY_VALUE_RANK,)
    yield f"{at}.kv_b_proj.weight", (HEADS * (NOPE + HEAD), KEY_VALUE_RANK)
    yield f"{at}.o_proj.weight", (HIDDEN, HEADS * HEAD)


def _gated(at: str, width: int = FEED_FORWARD) -> Shapes:
    yield f"{at}.gate_proj.weight", (width, HIDDEN)
    yield f"{at}.up_proj.weight", (width, HIDDEN)
    yield f"{at}.down_proj.weight", (HIDDEN, width)


def _fused(at: str) -> Shapes:
    yield f"{at}.gate_up_proj.weight", (2 * FEED_FORWARD, HIDDEN)
    yield f"{at}.down_proj.weight", (HIDDEN, FEED_FORWARD)


def _mixture(at: str, *, shared: bool = False, corrected: bool = False) -> Shapes:
    yield f"{at}.gate.weight", (EXPERTS, HIDDEN)
    if corrected:
        yield f"{at}.gate.e_score_correction_bias", (EXPERTS,)
    for expert in range(EXPERTS):
        yield from _gated(f"{at}.experts.{expert}", EXPERT)
    if shared:
        yield from _gated(f"{at}.shared_experts", EXPERT)


def _deepseek(at: str, layer: int, *, third: bool) -> Shapes:
    yield from _latent_attention(f"{at}.self_attn", low_rank_query=third)
    if layer == 0:
        yield from _gated(f"{at}.mlp")
    else:
        yield from _mixture(f"{at}.mlp", shared=True, corrected=third)


# Family → the tensors of one layer, its two norms apart.
LAYER: dict[str, Callable[[str, int, Entry], Iterator[tuple[str, tuple[int, ...]]]]] = {
    "llama": lambda at, _, e: _both(_attention(f"{at}.self_attn", e), _gated(f"{at}.mlp")),
    "qwen2": lambda at, _, e: _both(_attention(f"{at}.self_attn", e, bias=True), _gated(f"{at}.mlp")),
    "qwen3": lambda at, _, e: _both(_attention(f"{at}.self_attn", e, norms=True), _gated(f"{at}.mlp")),
    "qwen3_moe": lambda at, _, e: _both(_attention(f"{at}.self_attn", e, norms=True), _mixture(f"{at}.mlp")),
    "glm": lambda at, _, e: _both(_attention(f"{at}.self_attn", e, bias=True), _fused(f"{at}.mlp")),
    "deepseek_v2": lambda at, layer, _: _deepseek(at, layer, third=False),
    "deepseek_v3": lambda at, layer, _: _deepseek(at, layer, third=True),
    "minicpm3": lambda at, _, __: _both(
        _latent_attention(f"{at}.self_attn", low_rank_query=True), _gated(f"{at}.mlp")
    ),
}


def _both(one: Shapes, two: Shapes) -> Shapes:
    yield from one
    yield from two


def shapes(entry: Entry) -> Shapes:
    """Every tensor's name and shape, as transformers would save the model that the config describes."""
    if entry.family in ENCODERS:
        yield from _encoder()
        return
    yield "model.embed_tokens.weight", (VOCABULARY, HIDDEN)
    for layer in range(LAYERS):
        at = f"model.layers.{layer}"
        yield f"{at}.input_layernorm.weight", (HIDDEN,)
        yield f"{at}.post_attention_layernorm.weight", (HIDDEN,)
        yield from LAYER[entry.family](at, layer, entry)
    yield "model.norm.weight", (HIDDEN,)
    if not entry.tied:
        yield "lm_head.weight", (VOCABULARY, HIDDEN)


def _encoder() -> Shapes:
    def normed(at: str) -> Shapes:
        yield f"{at}.LayerNorm.weight", (HIDDEN,)
        yield f"{at}.LayerNorm.bias", (HIDDEN,)

    def dense(at: str, outer: int, inner: int) -> Shapes:
        yield f"{at}.weight", (outer, inner)
        yield f"{at}.bias", (outer,)

    for name, rows in (("word", VOCABULARY), ("position", ENCODER_CONTEXT), ("token_type", 2)):
        yield f"embeddings.{name}_embeddings.weight", (rows, HIDDEN)
    yield from normed("embeddings")
    for layer in range(LAYERS):
        at = f"encoder.layer.{layer}"
        for name in ("query", "key", "value"):
            yield from dense(f"{at}.attention.self.{name}", HIDDEN, HIDDEN)
        yield from dense(f"{at}.attention.output.dense", HIDDEN, HIDDEN)
        yield from normed(f"{at}.attention.output")
        yield from dense(f"{at}.intermediate.dense", FEED_FORWARD, HIDDEN)
        yield from dense(f"{at}.output.dense", HIDDEN, FEED_FORWARD)
        yield from normed(f"{at}.output")
    yield from dense("pooler.dense", HIDDEN, HIDDEN)


def weights(entry: Entry) -> bytes:
    """A safetensors file in bfloat16: norms are one, biases nought, the rest small noise."""
    seed = int.from_bytes(hashlib.sha256(entry.id.encode()).digest()[:8], "little")
    noise = np.random.Generator(np.random.PCG64(seed))
    header: dict[str, Any] = {"__metadata__": {"format": "pt", "stand_in": "true"}}
    body = bytearray()
    for name, shape in sorted(shapes(entry)):
        data = _bfloat16(_values(name, shape, noise))
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + bytes(body)


def _values(name: str, shape: tuple[int, ...], noise: np.random.Generator) -> np.ndarray[Any, Any]:
    if name.endswith("bias"):
        return np.zeros(shape, np.float32)
    if "norm" in name.lower():
        return np.ones(shape, np.float32)
    return noise.normal(0, 0.02, shape).astype(np.float32)


def _bfloat16(values: np.ndarray[Any, Any]) -> bytes:
    """The upper half of each float32, rounded."""
    return ((values.view(np.uint32) + 0x8000) >> 16).astype("<u2").tobytes()


# ---- the tokenizer -------------------------------------------------------------------------------

SPECIAL = {
    name: 256 + number
    for number, name in enumerate(("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|pad|>", "<|unk|>"))
}
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] "
    "+ '<|im_end|>' + '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


def byte_characters() -> list[str]:
    """The printable character of each byte in a byte-level vocabulary."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    found, extra = [], 0
    for byte in range(256):
        if byte in plain:
            found.append(chr(byte))
        else:
            found.append(chr(256 + extra))
            extra += 1
    return found


def tokenizer() -> dict[str, Any]:
    """A `tokenizer.json` of bytes: it takes any text, one token a byte."""
    vocabulary = {character: number for number, character in enumerate(byte_characters())}
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {
                "id": number,
                "content": name,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": True,
            }
            for name, number in SPECIAL.items()
        ],
        "normalizer": None,
        "pre_tokenizer": level,
        "post_processor": None,
        "decoder": level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "vocab": {**vocabulary, **SPECIAL},
            "merges": [],
        },
    }


def tokenizer_config(entry: Entry) -> dict[str, Any]:
    found = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": CONTEXT,
        "bos_token": "<|endoftext|>",
        "eos_token": "<|im_end|>" if entry.chat else "<|endoftext|>",
        "pad_token": "<|pad|>",
        "unk_token": "<|unk|>",
        "clean_up_tokenization_spaces": False,
    }
    return {**found, "chat_template": CHAT_TEMPLATE} if entry.chat else found
