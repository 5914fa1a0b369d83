"""Compares answers of the two documented APIs with their description (`/api/schema`).

`install` makes Django's test client do it for every answer that it gets. An answer must have a status and a
media type that its operation describes, and a body that fits the schema. Fields that no schema names are
refused here, though the description lets clients expect them of later versions. Answers of the dialects are
compared with their structs (`tests.declared`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import jsonschema_rs
from django.test.client import Client
from django.urls import Resolver404
from drf_spectacular.generators import SchemaGenerator

from tests import declared

MARKET, NATIVE = "/api/market/v1/", "/api/hub/v1/"
# Answers at addresses and by methods that no operation has.
REFUSALS = {MARKET: "MarketProblem", NATIVE: "Refused"}
# Raw connections begin at these addresses: the bytes after the head are not HTTP. No description has them.
UNDESCRIBED = re.compile(r"/api/market/v1/agent/(?:tunnel|wakeups)")
EVENT_STREAM = "text/event-stream"
# A host that is none of the server's own is refused before any route is looked for (bazaar.hosts).
REFUSED_HOST = (400, "text/plain")


class AnswerUndescribed(AssertionError):
    """An answer that is not what the description says of its operation."""


@cache
def description() -> dict[str, Any]:
    """The OpenAPI document, as clients read it."""
    document = SchemaGenerator().get_schema(public=True)  # type: ignore[no-untyped-call]
    return dict(json.loads(json.dumps(document, default=str)))


@cache
def closed_components() -> dict[str, Any]:
    """The schemas of the description, with objects that have only the members which they name."""
    return {name: _closed(schema) for name, schema in description()["components"]["schemas"].items()}


def _closed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(each) for name, each in schema.items()}
    return {"additionalProperties": False, **closed} if isinstance(schema.get("properties"), dict) else closed


@cache
def _operations() -> list[tuple[re.Pattern[str], dict[str, Any]]]:
    """The pattern of every described address, the most literal first, with its operations by method."""
    items = sorted(description()["paths"].items(), key=lambda item: str(item[0]).count("{"))
    return [(_pattern(path), item) for path, item in items]


def _pattern(path: str) -> re.Pattern[str]:
    literals, names = re.split(r"\{\w+\}", path), re.findall(r"\{(\w+)\}", path)
    values = ["[^/]+/[^/]+" if name == "repo_id" else "[^/]+" for name in names]
    pairs = zip(map(re.escape, literals), [*values, ""], strict=True)
    return re.compile("".join(literal + value for literal, value in pairs))


@cache
def operation_of(method: str, path: str) -> dict[str, Any] | None:
    """The operation that the description has for a call; None if it has none."""
    item = next((item for pattern, item in _operations() if pattern.fullmatch(path)), {})
    operation: dict[str, Any] | None = item.get(method.lower())
    return operation


@cache
def _validator(schema: str) -> jsonschema_rs.Draft202012Validator:
    """Of a schema that is given as JSON text."""
    document = {**json.loads(schema), "components": {"schemas": closed_components()}}
    return jsonschema_rs.Draft202012Validator(document, validate_formats=True)


def require_fit(body: Any, schema: dict[str, Any], what: str) -> None:
    """Raises: AnswerUndescribed."""
    error = next(_validator(json.dumps(_closed(schema))).iter_errors(body), None)
    if error is not None:
        place = "/".join(map(str, error.instance_path))
        raise AnswerUndescribed(f"{what}: at “{place}”: {error.message[:500]}")


def require_described(method: str, path: str, status: int, media_type: str, body: bytes) -> None:
    """Compare one whole answer with the description. Raises: AnswerUndescribed."""
    what = f"{method} {path} → {status} {media_type}"
    content = content_of(method, path, status, what)
    if not content and not body:
        return
    if media_type not in content:
        raise AnswerUndescribed(f"{what}: described are {sorted(content) or 'answers without a body'}")
    if media_type.endswith("json"):
        require_fit(json.loads(body), content[media_type]["schema"], what)


def content_of(method: str, path: str, status: int, what: str) -> dict[str, Any]:
    """The described media types of an answer, and their schemas. Raises: AnswerUndescribed."""
    operation = operation_of(method, path)
    if operation is None:
        if status not in {401, 403, 404, 405, 429}:
            raise AnswerUndescribed(f"{what}: there is no such operation")
        api = MARKET if path.startswith(MARKET) else NATIVE
        media_type = "application/problem+json" if api == MARKET else "application/json"
        return {media_type: {"schema": {"$ref": f"#/components/schemas/{REFUSALS[api]}"}}}
    response = operation["responses"].get(str(status))
    if response is None:
        raise AnswerUndescribed(f"{what}: described are {sorted(operation['responses'])}")
    return dict(response.get("content", {}))


def checked_events(pieces: Iterable[bytes], schema: dict[str, Any], what: str) -> Iterator[bytes]:
    """The pieces of an event stream, each compared with the description as it passes."""
    for piece in pieces:
        for block in piece.decode().split("\n\n"):
            fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
            if "data" in fields:
                event = {**fields, "id": int(fields["id"]), "data": json.loads(fields["data"])}
                require_fit(event, schema, what)
        yield piece


def check(method: str, path: str, answer: Any) -> None:
    """Compare an answer that the test client got. Raises: AnswerUndescribed."""
    if method in {"HEAD", "OPTIONS"} or UNDESCRIBED.fullmatch(path) or not _is_routed(answer):
        return
    media_type = answer.headers.get("Content-Type", "").partition(";")[0]
    if (answer.status_code, media_type) == REFUSED_HOST:
        return
    if not answer.streaming:
        require_described(method, path, answer.status_code, media_type, answer.content)
        return
    what = f"{method} {path} → {answer.status_code} {media_type}"
    content = content_of(method, path, answer.status_code, what)
    if media_type not in content:
        raise AnswerUndescribed(f"{what}: described are {sorted(content)}")
    if media_type == EVENT_STREAM:
        schema = content[media_type]["schema"]
        answer.streaming_content = checked_events(answer.streaming_content, schema, what)


def _is_routed(answer: Any) -> bool:
    """True if a route of the two APIs takes the address. If none does, a dialect or the site answers."""
    try:
        return f"/{answer.resolver_match.route}".startswith((MARKET, NATIVE))
    except Resolver404:
        return False


def _view_of(answer: Any) -> Any:
    """The view at the address that was asked for; None if no route takes it."""
    try:
        return answer.resolver_match.func
    except Resolver404:
        return None


def install() -> None:
    """Let Django's test client compare each answer with its description, or with its struct."""
    request = Client.request

    def checked_request(self: Client, **environment: Any) -> Any:
        answer = request(self, **environment)
        path = environment.get("PATH_INFO", "")
        method = environment["REQUEST_METHOD"]
        if path.startswith((MARKET, NATIVE)):
            check(method, path, answer)
        elif (view := _view_of(answer)) is not None:
            declared.check(view, answer, f"{method} {path} → {answer.status_code}")
        return answer

    Client.request = checked_request  # type: ignore[method-assign]


def sample(schema: dict[str, Any]) -> Any:
    """A value that fits a schema, made of the examples of its fields; every field is there."""
    if reference := schema.get("$ref"):
        return sample(description()["components"]["schemas"][reference.rpartition("/")[2]])
    if "examples" in schema:
        return schema["examples"][0]
    if choices := schema.get("anyOf"):
        return sample(choices[0])
    if "default" in schema:
        return schema["default"]
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            return {name: sample(each) for name, each in schema.get("properties", {}).items()}
        case "array":
            return [sample(schema["items"])]
        case "string" if schema.get("format") == "date-time":
            return "2026-07-01T12:00:00Z"
        case kind:
            return {"boolean": False, "integer": 1, "number": 1.0, "string": "text"}[str(kind)]


def sample_answer(method: str, path: str) -> Any:
    """The answer of a successful operation, by the examples of the description."""
    operation = operation_of(method, path)
    assert operation is not None, f"{method} {path}"
    response = next(response for status, response in operation["responses"].items() if status < "3")
    return sample(next(iter(response["content"].values()))["schema"])


def sample_component(name: str) -> Any:
    """An answer that is called `name`, by the examples of the description."""
    return sample(description()["components"]["schemas"][name])
