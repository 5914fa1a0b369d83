"""`/_mock/`: what a test says to its hub. JSON in, JSON out."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from bazaar.mock import clean, filling
from bazaar.mock.rules import Rule, book
from hub.errors import Refusal


def _call(*methods: str) -> Callable[[Callable[[HttpRequest, Any], Any]], Callable[..., HttpResponse]]:
    """Wrap `view(request, body) -> JSON`: reads the body, answers mistakes with 400 and a sentence."""

    def decorate(view: Callable[[HttpRequest, Any], Any]) -> Callable[..., HttpResponse]:
        @csrf_exempt
        @wraps(view)
        def wrapped(request: HttpRequest) -> HttpResponse:
            if request.method not in methods:
                return JsonResponse({"error": f"Use {' or '.join(methods)}."}, status=405)
            try:
                body = json.loads(request.read() or b"{}")
                return JsonResponse(view(request, body), safe=False)
            except (ValueError, KeyError, TypeError, Refusal) as error:
                return JsonResponse({"error": str(error)}, status=400)

        return wrapped

    return decorate


@_call("GET")
def about(request: HttpRequest, body: Any) -> Any:
    return {"user": filling.TESTER, "token": settings.MOCK_TOKEN}


@_call("GET", "POST", "DELETE")
def faults(request: HttpRequest, body: Any) -> Any:
    """List the rules, add one, or remove one (`?id=`) or all."""
    if request.method == "POST":
        return asdict(book.add(Rule.parse(body)))
    if request.method == "DELETE":
        given = request.GET.get("id")
        book.remove(int(given) if given else None)
    return [asdict(rule) for rule in book.rules]


@_call("GET", "DELETE")
def requests(request: HttpRequest, body: Any) -> Any:
    """What was asked since the last reset, oldest first; DELETE forgets it."""
    if request.method == "DELETE":
        book.records.clear()
    return [asdict(record) for record in list(book.records)]


@_call("POST")
def reset(request: HttpRequest, body: Any) -> Any:
    book.forget()
    clean.reset()
    return {}


@_call("POST")
def users(request: HttpRequest, body: Any) -> Any:
    return {"token": filling.add_user(str(body["name"]), scopes=str(body.get("scopes", "write,trade")))}


@_call("POST")
def repositories(request: HttpRequest, body: Any) -> Any:
    return {"sha": filling.add_repository(body, now=timezone.now())}
