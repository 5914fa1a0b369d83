"""The files of one catalogue entry."""

from __future__ import annotations

import json
from typing import Any

from hub.catalogue import cards, stand_ins
from hub.catalogue.entries import Entry

APP = '''\
"""Talk with the model of this page: `pip install gradio transformers torch`, then run this file."""

import gradio
from transformers import pipeline

chat = pipeline("text-generation", model="{model}")


def answer(message, history):
    messages = [*history, {{"role": "user", "content": message}}]
    return chat(messages, max_new_tokens=256)[0]["generated_text"][-1]["content"]


gradio.ChatInterface(answer, type="messages", title="{title}").launch()
'''


def _json(value: Any) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode()


def regular(entry: Entry) -> dict[str, bytes]:
    """Files stored in git: path → content."""
    found = {"README.md": cards.card(entry).encode()}
    if entry.kind == "model":
        found["config.json"] = _json(stand_ins.config(entry))
        found["tokenizer.json"] = _json(stand_ins.tokenizer())
        found["tokenizer_config.json"] = _json(stand_ins.tokenizer_config(entry))
    elif entry.kind == "dataset":
        lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in entry.rows]
        found["data/sample.jsonl"] = "".join(lines).encode()
    elif entry.kind == "space":
        extra = dict(entry.extra)
        found["app.py"] = APP.format(model=extra["models"][0], title=extra["title"]).encode()
        found["requirements.txt"] = b"gradio\ntransformers\ntorch\n"
    return found


def large(entry: Entry) -> dict[str, bytes]:
    """Files stored by git-lfs: path → content."""
    return {"model.safetensors": stand_ins.weights(entry)} if entry.kind == "model" else {}
