"""Checks of a card's metadata, with messages for people."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from hub.revisions.facts import front_matter
from hub.revisions.facts.vocabulary import LICENSES, TASKS, is_language

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,95}")
REPO_ID = re.compile(rf"(?:{NAME.pattern}/)?{NAME.pattern}")
TEXT_MAX = 4_000
# The card can name as many things as its author likes; lists and searches need a bound.
LIST_MAX = 1_000
SHORT_MAX = 200

Check = Callable[[Any], str | None]


def read_text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def words(value: Any) -> list[str]:
    """A field that may be one word or a list of them, as a list; anything else in it is left out."""
    if isinstance(value, (str, int, float)) and not isinstance(value, bool):
        value = [value]
    if not isinstance(value, list):
        return []
    return [
        str(item).strip()
        for item in value[:LIST_MAX]
        if isinstance(item, (str, int, float)) and not isinstance(item, bool) and str(item).strip()
    ]


def word(value: Any) -> str:
    """A field that is one short word, or nothing."""
    return value.strip() if isinstance(value, str) and len(value.strip()) <= SHORT_MAX else ""


def _is_text(value: Any) -> str | None:
    return None if isinstance(value, str) else "must be a string"


def _is_words(value: Any) -> str | None:
    if isinstance(value, str):
        return None
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return None
    return "must be a string or a list of strings"


def _is_flag(value: Any) -> str | None:
    return None if isinstance(value, bool) else "must be true or false"


def _is_repo_ids(value: Any) -> str | None:
    if wrong := _is_words(value):
        return wrong
    for item in words(value):
        if not REPO_ID.fullmatch(item):
            return f"“{item[:100]}” is not a repository id such as “namespace/name”"
    return None


def _is_relation(value: Any) -> str | None:
    allowed = {"adapter", "merge", "quantized", "finetune"}
    if isinstance(value, str) and value in allowed:
        return None
    return f"must be one of {', '.join(sorted(allowed))}"


FIELDS: dict[str, Check] = {
    "license": _is_words,
    "license_name": _is_text,
    "license_link": _is_text,
    "language": _is_words,
    "tags": _is_words,
    "pretty_name": _is_text,
    "library_name": _is_text,
    "pipeline_tag": _is_text,
    "base_model": _is_repo_ids,
    "base_model_relation": _is_relation,
    "datasets": _is_words,
    "metrics": _is_words,
    "inference": lambda value: None if isinstance(value, (bool, dict, str)) else "must be true or false",
    "task_categories": _is_words,
    "task_ids": _is_words,
    "size_categories": _is_words,
    "models": _is_words,
    "sdk": _is_text,
    "app_file": _is_text,
    "pinned": _is_flag,
    "thumbnail": _is_text,
}
SDKS = frozenset({"gradio", "streamlit", "docker", "static"})


def validate_card(text: str, kind: str) -> tuple[list[str], list[str]]:
    """Errors in a README's metadata (it must not be committed), and warnings.

    `kind` is model, dataset, space or another. Returns (errors, warnings), each a sentence.
    """
    block, _ = front_matter.split(text)
    if block is None:
        return [], ["empty or missing yaml metadata in repo card"]
    read = front_matter.read(text)
    if read.error:
        return [read.error], []
    data = read.data or {}
    if not data:
        return [], ["empty or missing yaml metadata in repo card"]
    errors = [
        f"“{field}” {wrong}."
        for field, check in FIELDS.items()
        if data.get(field) is not None and (wrong := check(data[field]))
    ]
    if "model-index" in data:
        errors += _model_index_errors(data["model-index"])
    if kind == "space":
        errors += _space_errors(data)
    return errors, [] if errors else _warnings(data, kind)


def _space_errors(data: dict[str, Any]) -> list[str]:
    sdk = data.get("sdk")
    if isinstance(sdk, str) and sdk not in SDKS:
        return [f"“sdk” must be one of {', '.join(sorted(SDKS))}."]
    return []


def _model_index_errors(index: Any) -> list[str]:
    if not isinstance(index, list):
        return ["“model-index” must be a list."]
    errors = []
    for number, model in enumerate(index[:LIST_MAX]):
        where = f"“model-index[{number}]”"
        if not isinstance(model, dict):
            errors.append(f"{where} must be a mapping.")
        elif not isinstance(model.get("name"), str) or not model["name"]:
            errors.append(f"{where} needs a “name”.")
        elif not isinstance(model.get("results"), list):
            errors.append(f"{where} needs a list of “results”.")
        else:
            errors += _result_errors(where, model["results"])
    return errors[:20]


def _result_errors(where: str, results: list[Any]) -> list[str]:
    errors = []
    for number, result in enumerate(results[:LIST_MAX]):
        at = f"{where[:-1]}.results[{number}]”"
        if not isinstance(result, dict):
            errors.append(f"{at} must be a mapping.")
            continue
        for field in ("task", "dataset"):
            part = result.get(field)
            if part is not None and not (isinstance(part, dict) and isinstance(part.get("type"), str)):
                errors.append(f"{at} needs “{field}.type”.")
        metrics = result.get("metrics")
        if not isinstance(metrics, list):
            errors.append(f"{at} needs a list of “metrics”.")
        elif any(not isinstance(m, dict) or "type" not in m or "value" not in m for m in metrics):
            errors.append(f"{at}: each metric needs “type” and “value”.")
    return errors


def _warnings(data: dict[str, Any], kind: str) -> list[str]:
    warnings: list[str] = []
    warnings.extend(
        f"“license: {license_id[:60]}” is not a known license id; “other” with a license_name is."
        for license_id in words(data.get("license"))
        if license_id.lower() not in LICENSES
    )
    warnings.extend(
        f"“language: {language[:60]}” is not an ISO 639 code."
        for language in words(data.get("language"))
        if not is_language(language)
    )
    task = word(data.get("pipeline_tag"))
    if task and task not in TASKS:
        warnings.append(f"“pipeline_tag: {task[:60]}” is not a known task.")
    warnings.extend(
        f"“task_categories: {category[:60]}” is not a known task."
        for category in words(data.get("task_categories"))
        if category not in TASKS
    )
    if kind == "space" and not data.get("sdk"):
        warnings.append("a space should name its “sdk”.")
    return warnings[:20]


_NOT_PROSE = re.compile(
    r"<[^<>]{0,1000}>"
    r"|!\[[^\]\[]{0,200}\]\([^)(]{0,1000}\)|^[ \t]*\|[^\n]*$|^[-=|: \t]+$",
    re.MULTILINE,
)
_LINK = re.compile(r"\[([^\]\[]{0,300})\]\([^)(]{0,1000}\)")
_MARKS = re.compile(r"[*_`#>~]+")


def _without(text: str, start: str, end: str) -> str:
    """The text with a blank for each part from `start` to the next `end`; takes time linear in its length."""
    pieces, at = [], 0
    while (begin := text.find(start, at)) >= 0 and (stop := text.find(end, begin + len(start))) >= 0:
        pieces += [text[at:begin], " "]
        at = stop + len(end)
    return "".join([*pieces, text[at:]])


def prose(body: str) -> str:
    """The words of a card without its markup, at most 4,000 characters: for searches and summaries."""
    text = _without(_without(body[: 4 * TEXT_MAX], "<!--", "-->"), "```", "```")
    text = _NOT_PROSE.sub(" ", text)
    text = _MARKS.sub("", _LINK.sub(r"\1", text))
    lines = (" ".join(line.split()) for line in text.splitlines())
    return front_matter.clean_text("\n".join(line for line in lines if line))[:TEXT_MAX]
