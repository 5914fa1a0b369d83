"""`/_mock/`: what a test says to its hub. JSON in, JSON out."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from bazaar_testing.mock import clean, filling
from bazaar_testing.mock.calls import call
from bazaar_testing.mock.market.clock import clock
from bazaar_testing.mock.market.machines import machines
from bazaar_testing.mock.rules import Rule, book


@call("GET")
def about(request: HttpRequest, body: Any) -> Any:
    return {"user": filling.TESTER, "token": os.environ["MODEL_HUB_TOKEN"]}


@call("GET", "POST", "DELETE")
def faults(request: HttpRequest, body: Any) -> Any:
    """List the rules, add one, or remove one (`?id=`) or all."""
    if request.method == "POST":
        return asdict(book.add(Rule.parse(body)))
    if request.method == "DELETE":
        given = request.GET.get("id")
        book.remove(int(given) if given else None)
    return [asdict(rule) for rule in book.rules]


@call("GET", "DELETE")
def requests(request: HttpRequest, body: Any) -> Any:
    """The requests since the last reset, oldest first; DELETE clears the list."""
    if request.method == "DELETE":
        book.records.clear()
    return [asdict(record) for record in list(book.records)]


@call("POST")
def reset(request: HttpRequest, body: Any) -> Any:
    book.forget()
    clock.stop()
    machines.forget()
    clean.reset()
    clock.reset()
    return {}


@call("POST")
def users(request: HttpRequest, body: Any) -> Any:
    return {"token": filling.add_user(str(body["name"]), scopes=str(body.get("scopes", "write,trade")))}


@call("POST")
def repositories(request: HttpRequest, body: Any) -> Any:
    return {"sha": filling.add_repository(body, now=timezone.now())}
