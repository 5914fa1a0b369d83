"""The data that the calls work on: people, repositories with odd content, and a market."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from hub.accounts.models import User
from hub.accounts.principals import Principal
from hub.community.services import discussions
from hub.revisions import services as revisions
from tests.factories import hub as make
from tests.factories import market

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
FILES = {
    "README.md": b"---\nlicense: apache-2.0\ntags: [a]\n---\n# Card\n\n![x](a.png) $x^2$\n",
    "a.txt": b"0123456789" * 100,
    "config.json": b'{"model_type": "qwen2"}',
    "table.csv": b"a,b\n1,2\n",
    "lines.jsonl": b'{"a": 1}\n{"a": 2}\n',
    "book.ipynb": b'{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}',
    "model.safetensors": b"\x02\x00\x00\x00\x00\x00\x00\x00{}",
}


@dataclass(slots=True)
class World:
    """Headers of each caller, and values that stand for something in addresses, queries and bodies."""

    users: dict[str, User] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    known: list[str] = field(default_factory=list)
    product: str = ""


def build() -> World:
    world = World()
    for name in ("alice", "mallory"):
        world.users[name] = make.user(name)
        world.tokens[name] = make.token(world.users[name], "write", "trade")
    alice = Principal(user=world.users["alice"])
    make.organization("acme", {})
    for kind in ("model", "dataset", "space"):
        repository = make.repository(alice, f"{kind}-1", kind=kind, files=FILES)
        revisions.create_branch(actor=alice, repository=repository, name="feat/x", now=NOW)
        discussions.open_discussion(
            actor=alice, repository=repository, title="Title", text="Text @mallory", now=NOW
        )
    product = market.product()
    market.node(of=product)
    world.product = product.slug
    world.known = [
        *("alice", "mallory", "acme", "main", "feat/x", "refs/pr/1", "1", "2", "a.txt", "README.md", "model"),
        *(
            "alice/model-1",
            "alice/dataset-1",
            "alice/space-1",
            "model-1",
            "dataset-1",
            "config.json",
            "table.csv",
        ),
        *(product.slug, "open", "buy", "limit", "write", "read", "sha256", "true", "false", "en", "zh-hans"),
        *("models", "datasets", "spaces", "book.ipynb", "model.safetensors", "lines.jsonl"),
    ]
    return world
