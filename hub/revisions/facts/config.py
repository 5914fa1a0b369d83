"""`config.json` and its neighbours, cut down to what lists and libraries ask for."""

from __future__ import annotations

import json
from typing import Any

from hub.revisions.facts.front_matter import clean
from hub.revisions.facts.vocabulary import ARCHITECTURE_TASKS, TASKS

BYTES_MAX = 2 * 1024 * 1024
TEMPLATE_MAX = 64 * 1024
TOKENS = ("bos_token", "eos_token", "pad_token", "unk_token", "cls_token", "mask_token", "sep_token")


def read_json(data: bytes | None) -> dict[str, Any] | None:
    """A JSON object, cleaned for storing; None for anything else."""
    if data is None or len(data) > BYTES_MAX:
        return None
    try:
        value = clean(json.loads(data))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def architectures(config: dict[str, Any]) -> list[str]:
    found = config.get("architectures")
    return [name for name in found[:16] if isinstance(name, str)] if isinstance(found, list) else []


def trim(config: dict[str, Any] | None, tokenizer: dict[str, Any] | None) -> dict[str, Any] | None:
    """The info object's `config`: architectures, model_type, auto_map, quantization and the tokens."""
    kept: dict[str, Any] = {}
    if config is not None:
        if names := architectures(config):
            kept["architectures"] = names
        for field, kind in (("model_type", str), ("auto_map", dict)):
            if isinstance(config.get(field), kind):
                kept[field] = config[field]
        quantization = config.get("quantization_config")
        if isinstance(quantization, dict):
            kept["quantization_config"] = {
                name: quantization[name]
                for name in ("bits", "quant_method", "load_in_4bit", "load_in_8bit")
                if name in quantization
            }
    if tokenizer is not None:
        tokens = {name: _token(tokenizer[name]) for name in TOKENS if name in tokenizer}
        template = tokenizer.get("chat_template")
        if isinstance(template, str) and len(template) <= TEMPLATE_MAX:
            tokens["chat_template"] = template
        kept["tokenizer_config"] = tokens
    return kept or None


def _token(value: Any) -> str | None:
    if isinstance(value, dict):
        value = value.get("content")
    return value if isinstance(value, str) else None


def task_of(config: dict[str, Any] | None) -> str:
    """The task that the first architecture's name tells, or nothing."""
    for name in architectures(config or {})[:1]:
        for ending, task in ARCHITECTURE_TASKS:
            if name.endswith(ending):
                return task
    return ""


def transformers_info(config: dict[str, Any] | None, task: str) -> dict[str, Any] | None:
    """The info object's `transformersInfo`; its clients refuse any other key than these."""
    if config is None or not isinstance(config.get("model_type"), str):
        return None
    inferred = task_of(config)
    # The class is what the weights are, whatever the card promises.
    auto_model = TASKS.get(inferred) or "AutoModel"
    info: dict[str, Any] = {"auto_model": auto_model}
    mapping = config.get("auto_map")
    if isinstance(mapping, dict) and isinstance(mapping.get(auto_model), str):
        info["custom_class"] = mapping[auto_model]
    if task or inferred:
        info["pipeline_tag"] = inferred or task
    processors = {
        "image-classification",
        "object-detection",
        "image-text-to-text",
        "automatic-speech-recognition",
    }
    info["processor"] = "AutoProcessor" if (inferred or task) in processors else "AutoTokenizer"
    return info
