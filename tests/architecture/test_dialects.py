"""Every answer of a dialect in JSON is a declared struct, which the tests compare with what is sent."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

from tests.declared import is_of_a_dialect

ROOT = Path(__file__).resolve().parents[2]
DIALECTS = ROOT / "hub/api"
# The hub's own API, whose answers `test_answers.py` holds.
NATIVE = DIALECTS / "native"
# The one module that writes JSON.
WRITER = DIALECTS / "structs.py"
WRITERS = frozenset({"JsonResponse", "dumps", "encode", "Encoder", "json_bytes"})
ANSWERING = frozenset({"answer_with", "Answered", "lfs_json", "legacy", "opened", "ok"})


def views(patterns: list[Any], address: str = "") -> Iterator[tuple[str, Any]]:
    """Each address of the site with its view."""
    for pattern in patterns:
        here = address + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from views(pattern.url_patterns, here)
        elif isinstance(pattern, URLPattern):
            yield here, pattern.callback


def undeclared(source: str) -> list[str]:
    """The calls by which a module makes a JSON answer of something other than a struct."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and (name := _name(node.func)):
            sent = [*node.args, *(keyword.value for keyword in node.keywords)]
            texts = [each.value for each in sent if isinstance(each, ast.Constant)]
            if name in ANSWERING and any(isinstance(each, ast.Dict) and each.keys for each in sent):
                found.append(f"{node.lineno}: {name} of a dict")
            if name.endswith("HttpResponse") and any("/json" in str(text) for text in texts):
                found.append(f"{node.lineno}: {name} of JSON")
        if isinstance(node, ast.Attribute) and node.attr in {"dumps", "Encoder"}:
            found.append(f"{node.lineno}: {node.attr}")
        if isinstance(node, ast.ImportFrom):
            found += [f"{node.lineno}: {each.name}" for each in node.names if each.name in WRITERS]
    return found


def _name(function: ast.expr) -> str:
    match function:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


class TestDialects:
    def test_have_views_whose_answers_are_compared(self) -> None:
        modules = [view.__module__ for _, view in views(get_resolver().url_patterns) if is_of_a_dialect(view)]
        assert len(modules) > 150
        packages = {path.parent.name for path in DIALECTS.glob("*/__init__.py")}
        assert {module.split(".")[2] for module in modules} == packages - {"native"}

    def test_write_json_in_one_module(self) -> None:
        modules = [path for path in DIALECTS.rglob("*.py") if path != WRITER and NATIVE not in path.parents]
        assert len(modules) > 60
        found = {path.relative_to(ROOT): undeclared(path.read_text()) for path in modules}
        assert {path: places for path, places in found.items() if places} == {}

    def test_that_answer_undeclared_are_found(self) -> None:
        for source in (
            "return answer_with({'a': 1})",
            "return ok(data={'a': 1})",
            "return HttpResponse(text, content_type='application/json')",
            "text = orjson.dumps(row)",
            "from django.http import JsonResponse",
        ):
            assert undeclared(source), source
        assert undeclared("return answer_with(Success(success=True))") == []
