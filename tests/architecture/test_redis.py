"""One module makes clients of Redis, so a process has the pools that can be counted there."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from pytest_django import Settings

from foundation import redis_clients, redis_connection
from tests.architecture.sources import HOUSES, last_name, modules, names_in

MAKERS = {"Redis", "StrictRedis", "RedisCluster", "Sentinel", "ConnectionPool", "BlockingConnectionPool"}


def makes_client(node: ast.AST) -> bool:
    """`redis.Redis(…)`, `Redis.from_url(…)`, `redis.from_url(…)` and the same of pools."""
    if not isinstance(node, ast.Call):
        return False
    return last_name(node.func) in MAKERS | {"from_url"}


def clients_made(tree: ast.Module) -> int:
    return sum(makes_client(node) for node in ast.walk(tree))


def takes_makers(tree: ast.Module) -> bool:
    """True if a module imports `foundation.redis_clients` or something of it."""
    maker = "foundation.redis_clients"
    imported = {each.name for node in ast.walk(tree) if isinstance(node, ast.Import) for each in node.names}
    return maker in imported or any(f"{name}.".startswith(f"{maker}.") for name in names_in(tree).values())


class TestClients:
    def test_are_made_by_one_module(self) -> None:
        made = {path: clients_made(tree) for path, tree in modules(*HOUSES)}
        # One for threads, one for an event loop, and each of them with Sentinels.
        assert {path: count for path, count in made.items() if count} == {"foundation/redis_clients.py": 4}

    def test_have_two_holders(self) -> None:
        """A third module that asks for a client may have a third pool."""
        holders = {path for path, tree in modules(*HOUSES) if takes_makers(tree)}
        assert holders == {"foundation/redis_connection.py", "compute_market/tunnels/hub_messages.py"}

    @pytest.mark.parametrize(
        "text",
        [
            "from foundation import redis_clients",
            "from foundation import redis_clients as makers",
            "from foundation.redis_clients import client as made",
            "import foundation.redis_clients",
            "import foundation.redis_clients as makers",
        ],
    )
    def test_have_holders_that_are_seen(self, text: str) -> None:
        assert takes_makers(ast.parse(text))
        assert not takes_makers(ast.parse("from foundation import redis_connection"))

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
