"""Calls as the OpenAPI description has them, most of them with one value that breaks parsers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any

from drf_spectacular.generators import SchemaGenerator

from tests.fuzz import values

DEPTH_MAX = 6


@dataclass(frozen=True, slots=True)
class Operation:
    """One described operation: `path` with `{names}`, its query parameters and the schema of its body."""

    method: str
    path: str
    query: tuple[dict[str, Any], ...]
    body: dict[str, Any] | None


@cache
def description() -> dict[str, Any]:
    found: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return found


@cache
def operations() -> tuple[Operation, ...]:
    found = []
    for path, methods in description()["paths"].items():
        for method, operation in methods.items():
            content = operation.get("requestBody", {}).get("content", {})
            body = next((kind["schema"] for name, kind in content.items() if "json" in name), None)
            query = tuple(p for p in operation.get("parameters", ()) if p["in"] == "query")
            found.append(Operation(method.upper(), path, query, body))
    return tuple(found)


def sample(random: Random, schema: dict[str, Any], known: list[str], depth: int = 0) -> Any:
    """A value of this schema, as far as that goes without looking at patterns."""
    if "$ref" in schema:
        schema = description()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    for several in ("oneOf", "anyOf", "allOf"):
        if several in schema:
            return sample(random, random.choice(schema[several]), known, depth)
    if "enum" in schema:
        return random.choice(schema["enum"])
    kind = schema.get("type", "string")
    kind = random.choice(kind) if isinstance(kind, list) else kind
    if kind == "object":
        return _object(random, schema, known, depth)
    if kind == "array":
        count = random.randrange(3) if depth < DEPTH_MAX else 0
        return [sample(random, schema.get("items", {}), known, depth + 1) for _ in range(count)]
    if kind in {"integer", "number"}:
        least, most = schema.get("minimum", 0), schema.get("maximum", 10**6)
        return random.choice([least, most, 1, 8, 60, 1_200_000])
    if kind == "boolean":
        return random.random() < 0.5
    if schema.get("format") == "date-time":
        return random.choice(["2026-07-01T13:00:00Z", "2026-07-01T14:00:00Z", "2030-01-01T00:00:00+08:00"])
    return random.choice(known) if random.random() < 0.8 else random.choice(["a", "名字", "x" * 100])


def _object(random: Random, schema: dict[str, Any], known: list[str], depth: int) -> dict[str, Any]:
    required = set(schema.get("required", ()))
    return {
        name: sample(random, inner, known, depth + 1)
        for name, inner in schema.get("properties", {}).items()
        if name in required or (depth < DEPTH_MAX and random.random() < 0.4)
    }


def break_one(random: Random, body: Any, known: list[str]) -> Any:
    """The same body with one value, somewhere in it, that its schema does not have."""
    if isinstance(body, dict) and body and random.random() < 0.9:
        name = random.choice(sorted(body))
        return body | {name: break_one(random, body[name], known)}
    if isinstance(body, list) and body and random.random() < 0.7:
        at = random.randrange(len(body))
        return [*body[:at], break_one(random, body[at], known), *body[at + 1 :]]
    return values.value(random, known, ())
