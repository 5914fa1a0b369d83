"""A market for the client that answers and takes what the description of its API says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bazaar_client.market import Market
from tests import described

# Fields that the client looks for in orders of every kind, and that only some answers have.
SOMETIMES = frozenset({"filled_total_micros"})


class Declared(dict[str, Any]):
    """An answer of which only those fields can be read that the description has."""

    def __missing__(self, name: str) -> Any:
        raise AssertionError(f"the description has no “{name}” beside {sorted(self)}")

    def get(self, name: str, default: Any = None) -> Any:
        return default if name in SOMETIMES and name not in self else self[name]


def declared(value: Any) -> Any:
    match value:
        case dict():
            return Declared({name: declared(each) for name, each in value.items()})
        case list():
            return [declared(each) for each in value]
        case _:
            return value


class Told(Market):
    """Answers with the examples of the description; lists end with their first page.

    `changes`: other answers, by the operation's id. `asked`: method, path, and body or query of each call.
    Raises AnswerUndescribed for a call that the description does not have.
    """

    def __init__(self, **changes: Any) -> None:
        super().__init__("http://127.0.0.1:9", "token")
        self.changes, self.asked = changes, list[tuple[str, str, Any]]()

    def call(
        self, method: str, path: str, *, body: Any = None, query: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        self.asked.append((method, path, body or query))
        address = f"{described.MARKET}{path}"
        operation = described.operation_of(method, address)
        if operation is None:
            raise described.AnswerUndescribed(f"{method} {path}: there is no such operation")
        self._require_taken(operation, body, query or {})
        answer = self.changes.get(operation["operationId"], described.sample_answer(method, address))
        answer = {**answer, **({"next": None} if "next" in answer and "items" in answer else {})}
        found: dict[str, Any] = declared(answer)
        return found

    @staticmethod
    def _require_taken(operation: Mapping[str, Any], body: Any, query: Mapping[str, Any]) -> None:
        what = f"the client's {operation['operationId']}"
        known = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"}
        if unknown := query.keys() - known:
            raise described.AnswerUndescribed(f"{what}: there is no parameter {sorted(unknown)}")
        if body:
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            described.require_fit(json.loads(json.dumps(body)), schema, what)
