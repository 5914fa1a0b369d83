"""The tags of a repository by type: what lists filter by and count."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from hub.revisions.facts import card as cards
from hub.revisions.facts import config as configs
from hub.revisions.facts.vocabulary import LIBRARIES, is_language

TAG_MAX = 255
TAGS_MAX = 500
ARXIV = re.compile(r"arxiv\.org/(?:abs|pdf)/(\d{4}\.\d{4,5})|\barxiv:(\d{4}\.\d{4,5})", re.IGNORECASE)
DOI = re.compile(r"10\.\d{4,9}/[^\s<>\"]{1,100}")
RELATIONS = ("adapter", "merge", "quantized", "finetune")
DEFAULT_REGION = "us"
# Fields of a space's card that lists filter by, but that are not shown as tags.
USES_MODEL = "uses_model"
USES_DATASET = "uses_dataset"
HIDDEN = frozenset({USES_MODEL, USES_DATASET})


class Tag(NamedTuple):
    """`value` is the tag as the wire writes it (`license:mit`, `zh`); `type` says what it speaks of."""

    type: str
    value: str


@dataclass(frozen=True, slots=True)
class TagInputs:
    """The inputs from which a repository's tags are computed."""

    kind: str
    card: Mapping[str, Any]
    body: str
    names: frozenset[str]
    config: Mapping[str, Any] | None = None
    library: str = ""
    task: str = ""
    has_gguf: bool = False


def library_of(card: Mapping[str, Any], names: frozenset[str], config: Mapping[str, Any] | None) -> str:
    """The library that loads the model: the card's word, else what the files look like."""
    if named := cards.word(card.get("library_name")):
        return named
    if "modules.json" in names:
        return "sentence-transformers"
    if "model_index.json" in names:
        return "diffusers"
    if "adapter_config.json" in names:
        return "peft"
    if config is not None and ("model_type" in config or "architectures" in config):
        return "transformers"
    if any(name.endswith(".gguf") for name in names):
        return "gguf"
    return ""


def base_models(card: Mapping[str, Any]) -> list[str]:
    return [name for name in cards.words(card.get("base_model")) if cards.REPO_ID.fullmatch(name)]


def relation_of(card: Mapping[str, Any], names: frozenset[str], config: Mapping[str, Any] | None) -> str:
    """The relation of a model to its base: from the card, else inferred from the files."""
    stated = card.get("base_model_relation")
    if stated in RELATIONS:
        return str(stated)
    if len(base_models(card)) > 1:
        return "merge"
    if "adapter_config.json" in names:
        return "adapter"
    quantized = config is not None and isinstance(config.get("quantization_config"), dict)
    if quantized or any(name.endswith(".gguf") for name in names):
        return "quantized"
    return "finetune"


def tags_of(seen: TagInputs) -> list[Tag]:
    """Every tag once, in the order in which the info object shows them."""
    found = [*_by_kind(seen), *_common(seen)]
    kept: dict[str, Tag] = {}
    for tag in found:
        if 0 < len(tag.value) <= TAG_MAX:
            kept.setdefault(tag.value, tag)
    return list(kept.values())[:TAGS_MAX]


def _by_kind(seen: TagInputs) -> Iterable[Tag]:
    if seen.kind == "model":
        return _of_model(seen)
    if seen.kind == "dataset":
        return _of_dataset(seen)
    return _of_space(seen) if seen.kind == "space" else []


def _of_model(seen: TagInputs) -> Iterable[Tag]:
    if seen.library:
        yield Tag("library", seen.library)
    endings = {name.rsplit(".", 1)[-1] for name in seen.names}
    for ending, library in (
        ("safetensors", "safetensors"),
        ("onnx", "onnx"),
        ("gguf", "gguf"),
        ("msgpack", "jax"),
        ("h5", "tf"),
    ):
        if ending in endings:
            yield Tag("library", library)
    if any(name.endswith(("pytorch_model.bin", ".pt", ".pth")) for name in seen.names):
        yield Tag("library", "pytorch")
    config = seen.config or {}
    model_type = config.get("model_type")
    if isinstance(model_type, str):
        yield Tag("other", model_type)
    if seen.task:
        yield Tag("pipeline_tag", seen.task)
    tokenizer = config.get("tokenizer_config")
    if isinstance(tokenizer, dict) and "chat_template" in tokenizer:
        yield Tag("other", "conversational")
    if isinstance(config.get("auto_map"), dict):
        yield Tag("other", "custom_code")
    for dataset in cards.words(seen.card.get("datasets")):
        yield Tag("dataset", f"dataset:{dataset}")
    relation = relation_of(seen.card, seen.names, seen.config)
    for base in base_models(seen.card):
        yield Tag("base_model", f"base_model:{base}")
        yield Tag("base_model", f"base_model:{relation}:{base}")
    for language in cards.words(seen.card.get("language")):
        yield Tag("language", language)


def _of_dataset(seen: TagInputs) -> Iterable[Tag]:
    for field in (
        "task_categories",
        "task_ids",
        "annotations_creators",
        "language_creators",
        "multilinguality",
        "source_datasets",
    ):
        for word in cards.words(seen.card.get(field)):
            yield Tag(field, f"{field}:{word}")
    for word in cards.words(seen.card.get("language")):
        yield Tag("language", f"language:{word}")
    for word in cards.words(seen.card.get("size_categories")):
        yield Tag("size_categories", f"size_categories:{word}")
    for ending, format_ in (("parquet", "parquet"), ("csv", "csv"), ("json", "json"), ("jsonl", "json")):
        if any(name.endswith(f".{ending}") and not name.endswith(".index.json") for name in seen.names):
            yield Tag("format", f"format:{format_}")


def _of_space(seen: TagInputs) -> Iterable[Tag]:
    if sdk := cards.word(seen.card.get("sdk")):
        yield Tag("sdk", sdk)
    for field, type_ in (("models", USES_MODEL), ("datasets", USES_DATASET)):
        for word in cards.words(seen.card.get(field)):
            if cards.REPO_ID.fullmatch(word):
                yield Tag(type_, f"{field[:-1]}:{word}")


def _common(seen: TagInputs) -> Iterable[Tag]:
    for word in cards.words(seen.card.get("tags")):
        yield Tag(_type_of(word), word)
    for license_id in cards.words(seen.card.get("license")):
        yield Tag("license", f"license:{license_id.lower()}")
    for match in list(ARXIV.finditer(seen.body))[:50]:
        yield Tag("arxiv", f"arxiv:{match[1] or match[2]}")
    for word in cards.words(seen.card.get("doi")):
        if DOI.fullmatch(word):
            yield Tag("doi", f"doi:{word}")
    region = cards.word(seen.card.get("region")) or DEFAULT_REGION
    yield Tag("region", f"region:{region}")


def _type_of(word: str) -> str:
    """The namespace of a free tag of a card."""
    if word in LIBRARIES:
        return "library"
    for prefix in ("arxiv", "doi", "region", "license", "dataset", "base_model"):
        if word.startswith(f"{prefix}:"):
            return prefix
    if len(word) == 2 and is_language(word):
        return "language"
    return "other"


def transformers_task(card: Mapping[str, Any], config: dict[str, Any] | None, library: str) -> str:
    """The task of a model: the card's word, else the architecture's."""
    if named := cards.word(card.get("pipeline_tag")):
        return named
    if library == "sentence-transformers":
        return "sentence-similarity"
    return configs.task_of(config)
