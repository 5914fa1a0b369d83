"""Nobody whom the hub does not know can make it read, keep or parse a long body, at any address."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator

import pytest
from django.db import transaction
from django.test import Client
from django.urls import get_resolver
from pytest_django import DjangoDbBlocker

from foundation.bodies import READER_BYTES_MAX, UNKNOWN_BYTES_MAX
from hub.api.git.parse import FETCH_BYTES_MAX
from tests import clock
from tests.factories import hub as make
from tests.factories import market
from tests.security.asking import (
    METHODS,
    Row,
    canonical,
    for_row,
    methods_of,
    outermost,
    routes,
    value_of,
    values_of,
)
from tests.security.world import World, build

BODY_BYTES = 5 * 1024 * 1024
MULTIPART = "multipart/form-data; boundary=cut"
FORM_BEGINNINGS = {
    "application/json": b'{"a": "',
    "application/x-www-form-urlencoded": b"a=",
    MULTIPART: b'--cut\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n',
    "application/octet-stream": b"",
}
# Bytes that a caller with read access may send. The body of a fetch waits in a file, which git reads.
ALLOWANCES = {
    "api/<plural:kind>/<repo_id:repo_id>/paths-info/<rest:revision>": READER_BYTES_MAX,
    "api/validate-yaml": READER_BYTES_MAX,
    "<repo_id:repo_id>/info/lfs/objects/batch": READER_BYTES_MAX,
    "<repo_id:repo_id>/git-upload-pack": FETCH_BYTES_MAX,
}


class CountedInput(io.RawIOBase):
    """Five megabytes that are made as they are read; `given` of them have been."""

    def __init__(self, beginning: bytes) -> None:
        self._beginning = beginning
        self.given = 0

    def read(self, size: int = -1, /) -> bytes:
        size = BODY_BYTES - self.given if size < 0 else min(size, BODY_BYTES - self.given)
        data = self._beginning[self.given : self.given + size] if self.given < len(self._beginning) else b""
        self.given += size
        return data + b"a" * (size - len(data))

    def readline(self, size: int | None = -1, /) -> bytes:
        return self.read(-1 if size is None else size)


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    with django_db_blocker.unblock(), outermost():
        with clock.before_the_tests():
            built = build()
        yield built
        transaction.set_rollback(True)


def address_of(world: World, pattern: str, method: str) -> str:
    row = Row(method, canonical(pattern), "", "")
    values = for_row(row, values_of(world, "public"), world.places["public"])
    values = {"owner": "olga", "user": "olga", "name": "olga"} | values
    plain = pattern.replace("^", "").replace("(root)", "")
    return "/" + re.sub(
        r"<(?:(\w+):)?(\w+)>",
        lambda found: value_of(found[1], found[2], values) if found[2] in values | {"kind": ""} else "1",
        plain,
    )


def calls() -> Iterator[tuple[str, str, str]]:
    """Every route with each method that changes something; each kind of body once for each view."""
    seen = set()
    for pattern, route in routes(get_resolver().url_patterns):
        if pattern.startswith("admin/"):
            continue  # the administration asks for its own sign-in, and is walked by its one form below
        for method in sorted((methods_of(route.callback) or {"POST"}) & set(METHODS) - {"GET"}):
            kinds = list(FORM_BEGINNINGS) if (key := (canonical(pattern), method)) not in seen else []
            seen.add(key)
            for kind in kinds or ["application/json"]:
                yield method, pattern, kind
    yield "POST", "admin/login/", MULTIPART


def send(client: Client, method: str, path: str, kind: str, **headers: str) -> tuple[int, int]:
    """The status of the answer, and how many bytes of the body were read."""
    sent = CountedInput(FORM_BEGINNINGS[kind])
    answer = client.generic(
        method,
        path,
        b"",
        **{"wsgi.input": sent, "CONTENT_LENGTH": str(BODY_BYTES), "CONTENT_TYPE": kind},
        **headers,
    )
    if answer.streaming:
        b"".join(answer.streaming_content)  # type: ignore[attr-defined]
    return answer.status_code, sent.given


@pytest.mark.django_db
@pytest.mark.timeout(1800)
class TestEveryRoute:
    def test_reads_little_of_a_long_body_of_an_unknown_caller(self, world: World) -> None:
        """Five megabytes to each; a form's token is checked, as of a browser's."""
        client = Client(enforce_csrf_checks=True)
        client.cookies["csrftoken"] = "c" * 32
        wrong, asked, refused = [], 0, 0
        for method, pattern, kind in calls():
            path = address_of(world, pattern, method)
            with outermost():
                status, given = send(client, method, path, kind)
                transaction.set_rollback(True)
            asked += 1
            name = canonical(pattern).replace("<name:repo_id>", "<repo_id:repo_id>")
            limit = ALLOWANCES.get(name, UNKNOWN_BYTES_MAX)
            if limit == UNKNOWN_BYTES_MAX and given > limit:
                refused += 1
            is_refused = 400 <= status < 500 or limit >= BODY_BYTES
            # A route that wanted the whole body refused it. A route that wanted none answers as without one.
            if given > limit + 1 or (status >= 500 and status != 501) or (given > limit and not is_refused):
                wrong.append(f"{method} {path} ({kind}): {status} after {given} bytes")
        assert not wrong, "\n".join([f"{len(wrong)} of {asked}:", *wrong[:40]])
        assert asked > 1500
        assert refused > 50, "the bodies were refused for another reason than their length"

    def test_counts_an_agent_as_unknown_without_a_known_key(self, world: World) -> None:
        node = market.node(make.actor())
        client = Client()
        for key_id, limit in (("mbk_unknown", UNKNOWN_BYTES_MAX), (node.agent_key_id, 1024 * 1024)):
            status, given = send(
                client,
                "POST",
                "/api/market/v1/agent/poll",
                "application/json",
                HTTP_X_AGENT_TIMESTAMP="1",
                HTTP_X_AGENT_NONCE="1",
                HTTP_X_AGENT_KEY_ID=key_id,
            )
            assert (status, given) == (413, limit + 1)

    def test_says_what_an_unknown_caller_may_send(self, client: Client) -> None:
        answer = client.post(
            "/api/repos/create", b" " * (UNKNOWN_BYTES_MAX + 1), content_type="application/json"
        )
        assert answer.status_code == 400
        assert str(UNKNOWN_BYTES_MAX) in answer.json()["error"]

    def test_reads_longer_bodies_of_known_callers(self, client: Client) -> None:
        ada = make.user("ada")
        body = b'{"name": "model"%s}' % (b" " * UNKNOWN_BYTES_MAX)
        answer = client.post(
            "/api/repos/create", body, content_type="application/json", headers=make.bearer(ada)
        )
        assert answer.status_code == 200

    def test_reads_longer_forms_of_known_visitors(self, client: Client) -> None:
        ada = make.user("ada")
        make.repository(ada, "model", files={"README.md": b"# Old\n"})
        client.force_login(ada)
        form = {"content": "# New\n" + "a" * UNKNOWN_BYTES_MAX, "message": "More", "path": "README.md"}
        answer = client.post("/ada/model/edit/main/README.md", form)
        assert answer.status_code in {200, 302}
