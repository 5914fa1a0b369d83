"""One table gives refusals their HTTP statuses; a dialect names its exceptions by code, not by class."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache

import pytest

from tests.architecture.sources import HOUSES, full_name, last_name, modules, names_in

TABLE = "foundation/statuses.py"


@cache
def refusals() -> frozenset[str]:
    """The names of the kinds of refusals, and of all classes below them."""
    bases = {
        node.name: {last_name(base) for base in node.bases}
        for _, tree in modules(*HOUSES)
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    found = {"Refusal"}
    while new := {name for name, above in bases.items() if above & found} - found:
        found |= new
    return frozenset(found)


def is_refusal(node: ast.expr | None, names: Mapping[str, str]) -> bool:
    return node is not None and full_name(node, names).rpartition(".")[2] in refusals()


def is_status(node: ast.expr, names: Mapping[str, str]) -> bool:
    """`410`, `HTTPStatus.GONE`, `status.HTTP_410_GONE`."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, int) and not isinstance(node.value, bool)
    name = full_name(node, names)
    return "HTTPStatus." in name or name.rpartition(".")[2].startswith("HTTP_")


def pairs(node: ast.AST) -> Iterator[tuple[ast.expr | None, ast.expr]]:
    """(key, value) of a dict that is written out, of pairs for `dict(…)`, and of an entry that is set."""
    match node:
        case ast.Dict(keys=keys, values=values):
            yield from zip(keys, values, strict=True)
        case ast.Tuple(elts=[key, value]):
            yield key, value
        case ast.Assign(targets=[ast.Subscript(slice=key)], value=value):
            yield key, value


def statuses_given(tree: ast.Module) -> list[str]:
    """`line: class` of each class of refusals to which a module gives a status."""
    names = names_in(tree)
    return [
        f"{node.lineno}: {ast.unparse(key)}"
        for node in ast.walk(tree)
        for key, value in pairs(node)
        if isinstance(node, ast.expr | ast.stmt) and key is not None
        if is_refusal(key, names) and is_status(value, names)
    ]


class TestStatuses:
    def test_are_given_in_one_table(self) -> None:
        found = {path: statuses_given(tree) for path, tree in modules(*HOUSES)}
        assert len(refusals()) > 100
        assert [path for path, given in found.items() if given] == [TABLE]

    @pytest.mark.parametrize(
        "text",
        [
            "KINDS = {errors.NotFound: 410}",
            "KINDS = {errors.NotFound: HTTPStatus.GONE}",
            "KINDS = {errors.NotFound: status.HTTP_410_GONE}",
            "KINDS = {**statuses.KINDS, errors.NotFound: 410}",
            "KINDS = dict([(errors.NotFound, 410)])",
            "KINDS[errors.NotFound] = 410",
            "from hub.repos.errors import RepositoryNotFound as Gone\nKINDS = {Gone: 410}",
            "from foundation import errors as kinds\nKINDS = {kinds.NotFound: 410}",
        ],
    )
    def test_are_seen_elsewhere(self, text: str) -> None:
        assert len(statuses_given(ast.parse(text))) == 1

    @pytest.mark.parametrize("text", ["CODES = {'ref_changed': 412}", "WORDS = {errors.NotFound: 'gone'}"])
    def test_may_be_given_to_codes_and_words_to_kinds(self, text: str) -> None:
        assert statuses_given(ast.parse(text)) == []
