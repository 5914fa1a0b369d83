"""One module makes clients of Redis, so a process has the pools that can be counted there."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from pytest_django import Settings

from foundation import redis_clients, redis_connection
from tests.architecture.sources import HOUSES, last_name, modules

MAKERS = {"Redis", "StrictRedis", "RedisCluster", "Sentinel", "ConnectionPool", "BlockingConnectionPool"}


def makes_client(node: ast.AST) -> bool:
    """`redis.Redis(…)`, `Redis.from_url(…)`, `redis.from_url(…)` and the same of pools."""
    if not isinstance(node, ast.Call):
        return False
    return last_name(node.func) in MAKERS | {"from_url"}


def clients_made(tree: ast.Module) -> int:
    return sum(makes_client(node) for node in ast.walk(tree))


class TestClients:
    def test_are_made_by_one_module(self) -> None:
        made = {path: clients_made(tree) for path, tree in modules(*HOUSES)}
        # One for threads, one for an event loop.
        assert {path: count for path, count in made.items() if count} == {"foundation/redis_clients.py": 2}

    @pytest.mark.parametrize(
        "text",
        [
            "redis.Redis(host=a)",
            "Redis.from_url(a)",
            "redis.asyncio.from_url(a)",
            "redis.ConnectionPool.from_url(a)",
        ],
    )
    def test_are_seen_in_each_form(self, text: str) -> None:
        assert clients_made(ast.parse(text)) == 1

    def test_are_two_in_a_process(self, settings: Settings, tmp_path: Path) -> None:
        settings.REDIS_URL = f"unix://{tmp_path}/none.sock"
        before = redis_clients.client.cache_info().currsize
        for _ in range(3):
            redis_connection.connection()
            redis_connection.hasty_connection()
        assert redis_clients.client.cache_info().currsize == before + 2
