"""Every answer of the market's and the hub's own API is declared, and the description shows it whole."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from compute_market.api.answers.refusals import MarketProblem
from compute_market.problems import Problem
from foundation.described import declared
from tests.architecture.sources import HOUSES, modules
from tests.described import MARKET, NATIVE, description

ROOT = Path(__file__).resolve().parents[2]
# Media types whose content is no JSON object.
OTHER_THAN_OBJECTS = frozenset({"text/csv"})


def answers() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """The operation, status and response of every described answer of the two APIs."""
    for path, methods in description()["paths"].items():
        if path.startswith((MARKET, NATIVE)):
            for operation in methods.values():
                for status, response in operation["responses"].items():
                    yield operation["operationId"], status, response


def resolved(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """The schemas of the objects that an answer may be."""
    if reference := schema.get("$ref"):
        return resolved(description()["components"]["schemas"][reference.rpartition("/")[2]])
    for several in ("anyOf", "oneOf", "allOf"):
        if choices := schema.get(several):
            return [each for choice in choices for each in resolved(choice)]
    if schema.get("type") == "array":
        return resolved(schema["items"])
    return [schema]


def untold(response: dict[str, Any], status: str) -> bool:
    """True if a response has a body and does not say which members its objects have."""
    content = response.get("content", {})
    if not content:
        return status not in {"101", "204"}
    return any(
        not schema.get("properties")
        for media_type, each in content.items()
        if media_type not in OTHER_THAN_OBJECTS
        for schema in resolved(each["schema"])
    )


class TestDescription:
    def test_shows_the_members_of_every_answer(self) -> None:
        found = list(answers())
        assert len(found) > 500
        assert [(name, status) for name, status, response in found if untold(response, status)] == []

    def test_an_answer_without_members_is_found(self) -> None:
        assert untold({"content": {"application/json": {"schema": {"type": "object"}}}}, "200")
        assert untold({"description": "nothing"}, "200")

    def test_every_declared_answer_has_a_name_of_its_own(self) -> None:
        names = Counter(answer.__name__ for answer in declared())
        assert [name for name, count in names.items() if count > 1] == []

    def test_shows_every_operation_refused(self) -> None:
        statuses: dict[str, set[str]] = {}
        for name, status, _ in answers():
            statuses.setdefault(name, set()).add(status)
        assert [name for name, found in statuses.items() if not {"400", "401", "429"} <= found] == []


class TestBodies:
    def test_of_requests_show_the_members_of_their_objects(self) -> None:
        bodies = {
            operation["operationId"]: operation["requestBody"]["content"]["application/json"]["schema"]
            for path, methods in description()["paths"].items()
            if path.startswith((MARKET, NATIVE))
            for operation in methods.values()
            if "requestBody" in operation
        }
        assert len(bodies) > 30
        free = {place for name, schema in bodies.items() for place in unnamed(schema, name)}
        # Facts of a machine, and variables of a program: their names are the caller's.
        assert free == {"market_v1_agent_report_create.host", "run_work.environment"}


def unnamed(schema: dict[str, Any], place: str) -> Iterator[str]:
    """The places of a body where the description leaves the members, or the type, open."""
    for each in resolved(schema):
        for name, member in each.get("properties", {}).items():
            yield from unnamed(member, f"{place}.{name}")
        if not each.keys() & {"properties", "enum", "const"} and each.get("type", "object") == "object":
            yield place


class TestRefusals:
    def test_of_the_market_have_only_declared_details(self) -> None:
        classes = {
            node.name
            for path in [*(ROOT / "compute_market").rglob("errors.py"), ROOT / "foundation/errors.py"]
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.ClassDef)
        }
        known = set(MarketProblem.__struct_fields__)
        found = {
            f"{path.relative_to(ROOT)}:{node.lineno} {keyword.arg}"
            for path in (ROOT / "compute_market").rglob("*.py")
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Call) and _called(node) in classes
            for keyword in node.keywords
            if keyword.arg not in known
        }
        assert found == set()


class TestProblems:
    """Problem details (RFC 9457) have one form, which every way into the market makes them from."""

    HOME = "compute_market/problems.py"
    WORDS = ("urn:bazaar:problem:", "problem+json")

    def test_are_made_in_one_module(self) -> None:
        found = {path for path, tree in modules(*HOUSES) if self._says(tree)}
        assert found == {self.HOME}

    def test_made_by_hand_are_found(self) -> None:
        assert self._says(ast.parse("""{"type": f"urn:bazaar:problem:{code}"}"""))
        assert not self._says(ast.parse("problem_of(404, code=code, detail=detail)"))

    def test_of_the_api_have_the_fields_of_all(self) -> None:
        assert issubclass(MarketProblem, Problem)

    def _says(self, tree: ast.AST) -> bool:
        return any(
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and any(word in node.value for word in self.WORDS)
            for node in ast.walk(tree)
        )


def _called(call: ast.Call) -> str:
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""
