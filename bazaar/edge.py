"""The outermost layer: every request gets an id, a line in the log, a measurement and safe headers."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from bazaar import deprecations, metrics, nodes

log = structlog.stdlib.get_logger("bazaar.access")
USABLE_ID = re.compile(r"[\x21-\x7e]{1,200}")
# Probes come every few seconds and say nothing.
SILENT = frozenset({"/healthz", "/readyz", "/metrics"})
# Every agent calls this each second or two, so it is logged only when it fails.
ROUTINE = frozenset({"/api/market/v1/agent/poll", "/api/market/v1/agent/heartbeat"})
# Their answers have no content, and a length of 0 would be that of the file that is not sent.
BODILESS = frozenset({204, 304})
LENGTH_DIGITS_MAX = 15


class EdgeMiddleware:
    """Wraps everything else, so that refusals and crashes carry the same headers as answers."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self.page_policy = settings.CONTENT_SECURITY_POLICY
        self.logs_access = settings.LOG_ACCESS
        self.is_behind_front = settings.BEHIND_FRONT_SERVER

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        started = time.perf_counter()
        nodes.announce()
        request_id = request_id_of(request)
        if self.is_behind_front and (caller := request.META.get("HTTP_X_FORWARDED_FOR")):
            # The front server writes it anew, so the last address is the one it saw itself.
            request.META["REMOTE_ADDR"] = caller.rpartition(",")[2].strip()
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        response = self.get_response(request)
        headers = response.headers
        headers["X-Request-Id"] = request_id
        deprecations.add_headers(request, response)
        has_body = response.status_code not in BODILESS
        if has_body and "Content-Length" not in headers and isinstance(response, HttpResponse):
            headers["Content-Length"] = str(len(response.content))
        headers.setdefault("X-Content-Type-Options", "nosniff")
        if headers.get("Content-Type", "").startswith("text/html"):
            headers.setdefault("Content-Security-Policy", self.page_policy)
            headers.setdefault("X-Frame-Options", "DENY")
        seconds = time.perf_counter() - started
        door, sent_bytes = door_of(request), _sent_bytes(request, response)
        metrics.observe(
            method=request.method or "",
            status=response.status_code,
            door=door,
            seconds=seconds,
            received_bytes=_length(request.META.get("CONTENT_LENGTH")),
            sent_bytes=sent_bytes,
        )
        is_routine = request.path in ROUTINE and response.status_code < 400
        if self.logs_access and request.path not in SILENT and not is_routine:
            log.info(
                "http_request",
                method=request.method,
                path=request.path,
                door=door,
                status=response.status_code,
                ms=round(seconds * 1000, 1),
                bytes=sent_bytes,
            )
        return response


def request_id_of(request: HttpRequest) -> str:
    """The caller's id of the request, else a new one. Clients print it beside their errors."""
    for name in ("HTTP_X_REQUEST_ID", "HTTP_X_AMZN_TRACE_ID"):
        given = request.META.get(name, "")
        if USABLE_ID.fullmatch(given):
            return str(given)
    return uuid.uuid4().hex


def door_of(request: HttpRequest) -> str:
    """The package of the view that answered: `hub.api.hf`, `hub.web`, `compute_market.api`.

    There are few of them, so metrics have few series.
    """
    match = request.resolver_match
    if match is None:
        return "none"
    parts = match.func.__module__.split(".")
    if parts[0] == "bazaar":
        return "bazaar"
    return ".".join(parts[: 3 if parts[:2] == ["hub", "api"] else 2])


def _sent_bytes(request: HttpRequest, response: HttpResponseBase) -> int:
    """The length of the body, as announced: a stream whose length is not known counts as 0."""
    return 0 if request.method == "HEAD" else _length(response.headers.get("Content-Length"))


def _length(text: str | None) -> int:
    """The bytes that a header announces; 0 for none, or nonsense."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) <= LENGTH_DIGITS_MAX else 0
