"""Middleware that runs before the view of every request."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote, urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse, UnreadablePostError

from foundation import bodies

PATH_SAFE = "/:@!$&'()*+,;=~-._"


class RawPathMiddleware:
    """Route on the path as it came, still percent-encoded.

    WSGI decodes `%2F` early, and then `tree/refs%2Fpr%2F1` looks the same as a deeper path. So
    `request.path_info` is set to the encoded path, and every URL converter decodes its own segment
    (`bazaar`'s converters in `hub.converters`). `request.mount` is the prefix under which the
    Hugging Face wire was entered: `""`, `/hf`, `/csg` or `/ms`.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.mounts = frozenset(settings.HF_MOUNTS)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        raw = request.META.get("RAW_URI")
        if raw is None:
            path = quote(request.path_info, safe=PATH_SAFE)
        elif raw.startswith("/"):
            path = raw.partition("?")[0]
        else:
            path = urlsplit(raw).path or "/"
        request.path_info = request.path = path
        first = path[1:].partition("/")[0]
        request.mount = f"/{first}" if first in self.mounts else ""  # type: ignore[attr-defined]
        return self.get_response(request)


class BodyMiddleware:
    """Let views read a body that came without a length, but none that is too long for its caller.

    It also answers for bodies that end before their time.

    Django gives every request as many bytes as its Content-Length says, so none to a chunked one.
    A server that ends the input where the body ends says so; then the input itself can be read.
    A client that hangs up, or breaks the coding, is no crash of ours; the server adds the reason.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        meta = request.META
        is_chunked = "chunked" in meta.get("HTTP_TRANSFER_ENCODING", "").lower()
        if is_chunked and not meta.get("CONTENT_LENGTH") and meta.get("wsgi.input_terminated"):
            request._stream = meta["wsgi.input"]  # noqa: SLF001
        with bodies.bound(request):
            return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, UnreadablePostError):
            return HttpResponse("The body could not be read.\n", status=400, content_type="text/plain")
        return None
