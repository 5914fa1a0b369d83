"""The conventions of `/_mock/`: JSON requests and answers; a mistake is answered with 400 and a sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from foundation import bodies
from foundation.errors import Refusal

READ_BYTES = 1 << 20


def call(*methods: str) -> Callable[[Callable[..., Any]], Callable[..., HttpResponse]]:
    """Wrap `view(request, body, **address) -> JSON`, for these methods."""

    def decorate(view: Callable[..., Any]) -> Callable[..., HttpResponse]:
        @csrf_exempt
        @wraps(view)
        def wrapped(request: HttpRequest, **address: Any) -> HttpResponse:
            if request.method not in methods:
                return JsonResponse({"error": f"Use {' or '.join(methods)}."}, status=405)
            try:
                body = json.loads(_read(request) or b"{}")
                return JsonResponse(view(request, body, **address), safe=False)
            except KeyError as error:
                return JsonResponse({"error": f"{error} is missing."}, status=400)
            except (ValueError, TypeError, OverflowError, Refusal) as error:
                return JsonResponse({"error": str(error)}, status=400)

        return wrapped

    return decorate


def _read(request: HttpRequest) -> bytes:
    """The whole body. Everybody may call the mock routes, with as many bytes of files as a test needs."""
    bodies.allow(request, bodies.UNLIMITED)
    return b"".join(iter(lambda: request.read(READ_BYTES), b""))
