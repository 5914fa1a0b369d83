"""Every answer of a dialect in JSON is a declared struct, which the tests compare with what is sent."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

from tests.architecture.sources import full_name, names_in, tree_of
from tests.declared import is_of_a_dialect

ROOT = Path(__file__).resolve().parents[2]
DIALECTS = ROOT / "hub/api"
# The hub's own API, whose answers `test_answers.py` holds.
NATIVE = DIALECTS / "native"
# The one module that writes JSON.
WRITER = DIALECTS / "structs.py"
WRITERS = frozenset({"JsonResponse", "dumps", "encode", "Encoder", "json_bytes"})
# `application/json` and `application/vnd.git-lfs+json`; a stream of lines (`x-ndjson`) is no answer in JSON.
JSON_TYPE = re.compile(r"[/+]json\b")
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
    tree = ast.parse(source)
    names, constants = names_in(tree), _constants(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (name := full_name(node.func, names).rpartition(".")[2]):
            sent = [*node.args, *(keyword.value for keyword in node.keywords)]
            texts = [text for each in sent for text in _texts(each, names, constants)]
            if name in ANSWERING and any(isinstance(each, ast.Dict) and each.keys for each in sent):
                found.append(f"{node.lineno}: {name} of a dict")
            if name.endswith("HttpResponse") and any(JSON_TYPE.search(text) for text in texts):
                found.append(f"{node.lineno}: {name} of JSON")
        if isinstance(node, ast.Attribute) and node.attr in {
            "dumps",
            "Encoder",
            "JsonResponse",
            "json_bytes",
        }:
            found.append(f"{node.lineno}: {node.attr}")
        if isinstance(node, ast.ImportFrom):
            found += [f"{node.lineno}: {each.name}" for each in node.names if each.name in WRITERS]
    return found


def _constants(tree: ast.Module) -> dict[str, str]:
    """The texts that names of a module stand for."""
    return {
        target.id: node.value.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign | ast.AnnAssign)
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }


def _texts(node: ast.expr, names: Mapping[str, str], constants: Mapping[str, str]) -> Iterator[str]:
    """The texts in an argument, as they are written or behind a name of this module or of one of ours."""
    for each in ast.walk(node):
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield each.value
        elif isinstance(each, ast.Name) and each.id in constants:
            yield constants[each.id]
        elif isinstance(each, ast.Name | ast.Attribute):
            module, _, name = full_name(each, names).rpartition(".")
            path = ROOT / (module.replace(".", "/") + ".py")
            if module and path.is_file() and name in (known := _constants(tree_of(path))):
                yield known[name]


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
            "return HttpResponse(text, headers={'Content-Type': 'application/json'})",
            "TYPE = 'application/json'\nreturn HttpResponse(text, content_type=TYPE)",
            "from hub.api.git.render import LFS_TYPE as kind\nreturn HttpResponse(text, content_type=kind)",
            "from hub.api.git import render\nreturn HttpResponse(text, content_type=render.LFS_TYPE)",
            "from django import http\nreturn http.JsonResponse({'a': 1})",
            "from django import http as web\nreturn web.HttpResponse(text, content_type='application/json')",
            "from hub.api.structs import answer_with as sent\nreturn sent({'a': 1})",
            "text = orjson.dumps(row)",
            "from django.http import JsonResponse",
        ):
            assert undeclared(source), source
        assert undeclared("return answer_with(Success(success=True))") == []
