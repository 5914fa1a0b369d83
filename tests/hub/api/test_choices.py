"""Fields that hold one of some words, given what has no hash: refused, by every dialect."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from tests.factories import hub as make

pytestmark = pytest.mark.django_db

FIELDS: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "/api/repos/create", {"name": "new", "visibility": None}),
    ("POST", "/api/repos/create", {"name": "new", "type": None}),
    ("POST", "/api/repos/create", {"name": "new", "organization": None}),
    ("PUT", "/api/models/alice/tiny/settings", {"gated": None}),
    ("PUT", "/api/models/alice/tiny/settings", {"visibility": None}),
    ("POST", "/api/v1/models/alice/tiny/commit/main", {"files": [{"path": "a", "action": None}]}),
    (
        "POST",
        "/modelscope/api/v1/repos/models/alice/tiny/commit/master",
        {"actions": [{"path": "a", "action": None}]},
    ),
    (
        "POST",
        "/modelscope/api/v1/repos/models/alice/tiny/commit/master",
        {"actions": [{"path": "a", "action": "create", "type": None}]},
    ),
    ("POST", "/alice/tiny.git/info/lfs/objects/batch", {"operation": None, "objects": []}),
    ("POST", "/api/models/alice/tiny/discussions", {"title": "Some title", "pullRequest": None}),
    ("POST", "/api/models/alice/tiny/preupload/main", {"files": [{"path": None, "size": 1, "sample": ""}]}),
]


def filled(value: Any, given: object) -> Any:
    """The body with `given` for each None in it."""
    if isinstance(value, dict):
        return {key: filled(part, given) for key, part in value.items()}
    if isinstance(value, list):
        return [filled(part, given) for part in value]
    return given if value is None else value


@pytest.mark.parametrize("given", [{}, {"a": []}, [], [["public"]], 5, True, 1e300])
@pytest.mark.parametrize(("method", "address", "body"), FIELDS)
def test_field_may_hold_anything(method: str, address: str, body: dict[str, Any], given: object) -> None:
    alice = make.actor("alice")
    make.repository(alice, "tiny")
    client = Client(raise_request_exception=False)
    assert alice.user is not None
    answer = client.generic(
        method,
        address,
        json.dumps(filled(body, given)),
        content_type="application/json",
        headers=make.bearer(alice.user),
    )
    assert answer.status_code < 500, answer.content
    # The address is served: its body was read. An organization may be one that does not exist.
    assert answer.status_code not in {404, 405} or "organization" in body, answer.content
