"""Sends calls to the application in this process, each undone in the database afterwards."""

from __future__ import annotations

import logging
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.core.signals import got_request_exception, request_finished
from django.db import close_old_connections, transaction
from django.test import Client

from tests.fuzz import calls, routes
from tests.fuzz.calls import Call
from tests.fuzz.world import World

SLOW_SECONDS = 10.0


@dataclass(slots=True)
class Report:
    """The results of the calls: a count for each status, and the answers that must not occur."""

    statuses: Counter[int] = field(default_factory=Counter)
    methods: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)


def run(world: World, *, first_seed: int, count: int, failures_max: int = 20) -> Report:
    """Make `count` calls. An answer of 500 or more, an exception, or ten seconds of work is a failure."""
    groups = routes.by_modules()
    report = Report()
    client = Client(raise_request_exception=False)
    logging.disable(logging.CRITICAL)
    try:
        _run(world, groups, client, report, range(first_seed, first_seed + count), failures_max)
    finally:
        logging.disable(logging.NOTSET)
    return report


def _run(
    world: World, groups: routes.Groups, client: Client, report: Report, seeds: range, failures_max: int
) -> None:
    for seed in seeds:
        call = calls.make(seed, groups, world)
        problem, status = _send(client, call, world)
        report.statuses[status] += 1
        report.methods[call.method] += 1
        if problem:
            report.failures.append(f"seed {seed}: {call}\n{problem}")
            if len(report.failures) >= failures_max:
                break


def _send(client: Client, call: Call, world: World) -> tuple[str, int]:
    """(the fault of the answer, empty if none; its status, 0 if there is no answer)."""
    client.cookies.clear()
    extra: dict[str, Any] = {f"HTTP_{k.upper().replace('-', '_')}": v for k, v in call.headers.items()}
    if call.user and not call.by_session:
        extra.setdefault("HTTP_AUTHORIZATION", f"Bearer {world.tokens[call.user]}")
    point = transaction.savepoint()
    started = time.process_time()
    try:
        if call.user and call.by_session:
            client.force_login(world.users[call.user])
        with _crashes() as seen:
            response = client.generic(
                call.method,
                "/",
                call.body,
                content_type=call.content_type,
                QUERY_STRING=call.query,
                RAW_URI=f"{call.path}?{call.query}",
                **extra,
            )
            _finish(response)
    except Exception:  # noqa: BLE001 - whatever it is, it is the finding
        return traceback.format_exc(limit=-8), 0
    finally:
        transaction.savepoint_rollback(point)
    seconds = time.process_time() - started
    if response.status_code >= 500 and response.status_code not in {501, 503}:
        return f"status {response.status_code}\n" + "\n".join(seen), response.status_code
    if seen:
        return "\n".join(seen), response.status_code
    if seconds > SLOW_SECONDS:
        return f"{seconds:.1f} seconds of processor time", response.status_code
    return "", response.status_code


def _finish(response: Any) -> None:
    """Read a streamed body to its end; an event stream has none and is closed."""
    if not response.streaming:
        return
    if not response["Content-Type"].startswith("text/event-stream"):
        for _ in response:
            pass
        return
    # As the test client does it: this connection's transaction undoes the calls.
    request_finished.disconnect(close_old_connections)
    response.close()
    request_finished.connect(close_old_connections)


@contextmanager
def _crashes() -> Iterator[list[str]]:
    seen: list[str] = []

    def note(**_: Any) -> None:
        seen.append(traceback.format_exc(limit=-8))

    got_request_exception.connect(note)
    try:
        yield seen
    finally:
        got_request_exception.disconnect(note)
