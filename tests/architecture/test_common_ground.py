"""Code that both houses need exists once, in `foundation`. These tests find a second copy."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable

import pytest

from tests.architecture.sources import HOUSES, ROOT, last_name, modules

# Settings → the modules that may read them, besides the settings themselves.
READERS_OF_SETTINGS = {
    # `doctor` asks whether the address is set, and S3 whether pages of that address may send to it.
    "PUBLIC_URL": {
        "foundation/addresses.py",
        "bazaar/doctor.py",
        "bazaar/management/commands/doctor.py",
    },
    "LOCAL_URL": {"foundation/addresses.py"},
}
# Attributes of a request → the modules that may build something from them.
READERS_OF_REQUESTS = {"scheme": {"foundation/addresses.py"}}


def attributes_of(tree: ast.Module, owner: str) -> set[str]:
    """The attributes that a module reads of a name, such as `settings` or `request`."""
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and last_name(node.value) == owner
    }


def readers(owner: str, attribute: str) -> set[str]:
    return {path for path, tree in modules(*HOUSES) if attribute in attributes_of(tree, owner)}


class TestPublicAddress:
    @pytest.mark.parametrize("name", READERS_OF_SETTINGS)
    def test_is_read_from_the_settings_in_one_place(self, name: str) -> None:
        assert readers("settings", name) == READERS_OF_SETTINGS[name]

    @pytest.mark.parametrize("name", READERS_OF_REQUESTS)
    def test_is_read_from_the_request_in_one_place(self, name: str) -> None:
        assert readers("request", name) == READERS_OF_REQUESTS[name]


def reads_authorization(node: ast.AST) -> bool:
    """`headers.get("Authorization")`, `headers["Authorization"]`."""
    if isinstance(node, ast.Call):
        return last_name(node.func) == "get" and any(_is_header(argument) for argument in node.args[:1])
    return isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) and _is_header(node.slice)


def _is_header(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and str(node.value).lower() in {
        "authorization",
        "http_authorization",
    }


class TestCredentials:
    def test_are_read_in_one_place(self) -> None:
        found = {
            path
            for path, tree in modules(*HOUSES)
            if any(reads_authorization(node) for node in ast.walk(tree))
        }
        assert found == {"foundation/credentials.py"}

    @pytest.mark.parametrize("text", ['a.headers.get("Authorization", "")', 'a.META["HTTP_AUTHORIZATION"]'])
    def test_are_seen_in_each_form(self, text: str) -> None:
        assert any(reads_authorization(node) for node in ast.walk(ast.parse(text)))


def pages_by_itself(node: ast.AST) -> bool:
    """A use of Django's paginator, or a slice with one row more than a page: `rows[: limit + 1]`."""
    if isinstance(node, ast.ImportFrom):
        return node.module == "django.core.paginator"
    if not isinstance(node, ast.Subscript) or not isinstance(node.slice, ast.Slice):
        return False
    end = node.slice.upper
    if not isinstance(end, ast.BinOp) or not isinstance(end.op, ast.Add):
        return False
    is_one_more = isinstance(end.right, ast.Constant) and end.right.value == 1
    return is_one_more and any(word in ast.unparse(end).lower() for word in ("limit", "size", "page"))


class TestPages:
    def test_are_cut_in_one_place(self) -> None:
        found = {path for path, tree in modules(*HOUSES) if any(map(pages_by_itself, ast.walk(tree)))}
        assert found == {"foundation/paging.py"}

    @pytest.mark.parametrize(
        "text",
        [
            "from django.core.paginator import Paginator",
            "rows[: limit + 1]",
            "rows[skip : skip + PAGE_SIZE + 1]",
        ],
    )
    def test_are_seen_in_each_form(self, text: str) -> None:
        assert any(map(pages_by_itself, ast.walk(ast.parse(text))))


TEMPORARY = {"TemporaryFile", "NamedTemporaryFile", "SpooledTemporaryFile", "mkstemp"}


def makes_temporary_file(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and last_name(node.func) in TEMPORARY


def cuts_batches(node: ast.AST) -> bool:
    """`while batch := list(islice(items, size))`, or a definition of that name at the top of a module."""
    if isinstance(node, ast.While):
        return "islice(" in ast.unparse(node.test)
    return isinstance(node, ast.FunctionDef) and node.name == "batches" and bool(node.args.args)


def has_hex_pattern(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and "[0-9a-f]{" in str(node.value)


class TestHelpers:
    @pytest.mark.parametrize(
        ("is_one", "places"),
        [
            # The readiness of a folder is tried by a file in it.
            (makes_temporary_file, {"foundation/temporary_files.py", "bazaar/readiness.py"}),
            (cuts_batches, {"foundation/batches.py"}),
            (has_hex_pattern, {"foundation/hex_digits.py"}),
        ],
    )
    def test_stand_once(self, is_one: Callable[[ast.AST], bool], places: set[str]) -> None:
        found = {path for path, tree in modules(*HOUSES) if any(map(is_one, ast.walk(tree)))}
        assert {path for path in found if not path.startswith(("bazaar/mock/", "bazaar/testing/"))} == places


def modules_of_foundation() -> set[str]:
    found = {path.stem for path in (ROOT / "foundation").glob("*.py")} | {"database"}
    return found - {"__init__"}


class TestDocuments:
    def test_list_every_module(self) -> None:
        page = (ROOT / "docs" / "architecture.md").read_text()
        section = page.partition("## Common ground")[2].partition("\n## ")[0]
        assert set(re.findall(r"^\| `(\w+)` \|", section, flags=re.MULTILINE)) == modules_of_foundation()

    def test_every_module_and_public_function_says_what_it_does(self) -> None:
        silent = [
            f"{path}: {getattr(node, 'name', '')}"
            for path, tree in modules("foundation")
            for node in [tree, *tree.body]
            if isinstance(node, (ast.Module, ast.FunctionDef))
            and not getattr(node, "name", "").startswith("_")
            and not ast.get_docstring(node)
        ]
        assert silent == []
