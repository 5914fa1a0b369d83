"""No house leans on the inside of an HTTP server: a connection is taken over in one agreed way."""

from __future__ import annotations

import ast

from foundation.taken_connections import KEY
from tests.architecture.sources import HOUSES, modules

SERVERS = {"gunicorn", "uvicorn", "granian", "waitress", "cheroot", "wsgiref"}
# The server's own, and the entry point that names a type of it.
OF_THE_SERVER = ("bazaar/server/", "bazaar/wsgi.py")


def imported(tree: ast.Module) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def holds(tree: ast.Module, text: str) -> bool:
    return any(isinstance(node, ast.Constant) and node.value == text for node in ast.walk(tree))


def test_one_module_knows_how_a_connection_is_offered() -> None:
    assert [path for path, tree in modules(*HOUSES) if holds(tree, KEY)] == [
        "foundation/taken_connections.py"
    ]


def test_only_the_server_imports_from_a_server() -> None:
    found = {
        path: names
        for path, tree in modules(*HOUSES)
        if not path.startswith(OF_THE_SERVER)
        and (
            names := {
                name
                for name in imported(tree)
                if name.split(".")[0] in SERVERS or name.startswith("bazaar.server.http")
            }
        )
    }
    assert found == {}
