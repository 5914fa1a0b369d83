"""The calls of the Xet wire. Each checks its token, asks one use case and renders."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from itertools import chain

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils import timezone

from foundation.errors import Denied, NotFound
from foundation.whole_numbers import whole_number
from hub import blobstore
from hub.api import byte_serving, content
from hub.api.byte_serving import ByteRange
from hub.api.dispatch import View, by_method
from hub.api.structs import Answer, Answered, answer_with
from hub.api.xet import answers, errors, parse, render
from hub.xet import reconstruction, selectors, services, tokens
from hub.xet.models import xorb_key
from hub.xet.services import Registered

GZIP_FROM_BYTES = 4096
# In a signed address: the range, its end in time, the repository, the user, the token.
SIGNED_NUMBERS = 6


class NoSuchCall(NotFound):
    code = "no_such_call"
    message = "There is no such call."


class RangeNotSigned(Denied):
    """403 makes clients ask for fresh addresses and go on."""

    code = "range_not_signed"
    message = "This address has expired, or is not for these bytes."


def route(**methods: View) -> View:
    """One address's view by method. All that is not served is 404: clients fall back then."""
    return by_method(methods, render=errors.render, not_allowed=nothing)


def nothing(request: HttpRequest, **_: str) -> HttpResponse:
    raise NoSuchCall


# ---- sending ----------------------------------------------------------------------------------------


def post_xorb(request: HttpRequest, *, prefix: str, name: str) -> HttpResponse:
    access = parse.write_access(request)
    is_new = services.store_xorb(
        actor=access.actor,
        repository=access.repository,
        name=selectors.hash_text(name),
        read=request.read,
        now=timezone.now(),
    )
    return answer_with(answers.XorbStored(was_inserted=is_new))


def head_xorb(request: HttpRequest, *, prefix: str, name: str) -> HttpResponse:
    access = parse.access(request)
    xorb = selectors.get_xorb(actor=access.actor, name=selectors.hash_text(name))
    response = HttpResponse()
    response["Content-Length"] = str(xorb.stored_bytes)
    return response


def post_shard_v1(request: HttpRequest) -> HttpResponse:
    ended = [event for event in _registration(request) if isinstance(event, Registered)]
    return answer_with(answers.ShardRegistered(result=render.result(ended[-1])))


def post_shard_v2(request: HttpRequest) -> HttpResponseBase:
    """Refused before the first line is sent if possible: a status says it more plainly than an event."""
    events = _registration(request)
    first = next(events)
    lines = render.event_lines(chain([first], events))
    return StreamingHttpResponse(lines, content_type="application/x-ndjson")


def _registration(request: HttpRequest) -> Iterator[render.Event]:
    access = parse.write_access(request)
    return services.register_shard(
        actor=access.actor, repository=access.repository, read=request.read, now=timezone.now()
    )


def post_telemetry(request: HttpRequest) -> HttpResponse:
    """Clients report how they fare; nothing of it is kept."""
    return answer_with(answers.Nothing())


# ---- fetching ---------------------------------------------------------------------------------------


def get_chunk(request: HttpRequest, *, prefix: str, name: str) -> HttpResponse:
    access = parse.access(request)
    answer = services.answer_chunk_query(
        actor=access.actor, chunk=selectors.hash_text(name), now=timezone.now()
    )
    return HttpResponse(answer, content_type="application/octet-stream")


def get_reconstruction_v1(request: HttpRequest, *, name: str) -> HttpResponse:
    return _compressed(request, render.plan_v1(*_plan(request, name)))


def get_reconstruction_v2(request: HttpRequest, *, name: str) -> HttpResponse:
    return _compressed(request, render.plan_v2(*_plan(request, name)))


def _plan(request: HttpRequest, name: str) -> tuple[reconstruction.Plan, render.Addresses]:
    access = parse.access(request)
    file = selectors.get_file(
        actor=access.actor, repository=access.repository, name=selectors.hash_text(name)
    )
    plan = reconstruction.plan(file, *(parse.byte_range(request.headers.get("Range")) or (0, None)))
    return plan, render.Addresses(request, access)


def _compressed(request: HttpRequest, plan: Answer) -> HttpResponse:
    """A plan is about 200 bytes a term, most of them repeated."""
    response = Answered(plan, content_type="application/json")
    if len(response.content) >= GZIP_FROM_BYTES and "gzip" in request.headers.get("Accept-Encoding", ""):
        response.content = gzip.compress(response.content, 1)
        response["Content-Encoding"] = "gzip"
    return response


def get_data(request: HttpRequest, *, name: str) -> HttpResponseBase:
    """A signed part of a stored xorb. The address is the permission; there is no token."""
    start, end = _signed_range(request, name)
    if byte_serving.is_known(request, name):
        return byte_serving.not_modified(name)
    asked = byte_serving.range_header(request, name)
    first, stop = parse.byte_range(asked) or (start, end)
    stop = end if stop is None else stop
    if first < start or stop > end:
        raise RangeNotSigned
    response = _bytes(xorb_key(name), first, stop, is_ranged=asked is not None)
    response["Content-Type"] = "application/octet-stream"
    if "X-Accel-Redirect" not in response:
        response["Content-Length"] = str(stop - first)
        response["Content-Range"] = f"bytes {first}-{stop - 1}/*"
    response["ETag"] = byte_serving.quoted(name)
    response["Cache-Control"] = "private, max-age=3600"
    return response


def _bytes(key: str, start: int, end: int, *, is_ranged: bool) -> HttpResponseBase:
    """By the front server, the kernel or a stream."""
    store = blobstore.get_store()
    path = store.local_path(key)
    if path is None:
        return StreamingHttpResponse(store.open(key, start, end), status=206)
    if settings.ACCEL_REDIRECT_PREFIX and is_ranged:
        # The front server takes the range, which was checked, from the request itself.
        response = HttpResponse()
        response["X-Accel-Redirect"] = settings.ACCEL_REDIRECT_PREFIX + key
        return response
    sent = content.sendfile(path, ByteRange(start, end))
    sent.status_code = 206
    return sent


def _signed_range(request: HttpRequest, name: str) -> tuple[int, int]:
    """Raises RangeNotSigned."""
    first, _, last = request.GET.get("bytes", "").partition("-")
    numbers = [first, last, request.GET.get("expires"), *request.GET.get("for", "").split("-")]
    values = [value for text in numbers if (value := whole_number(text)) is not None]
    if len(numbers) != SIGNED_NUMBERS or len(values) != SIGNED_NUMBERS:
        raise RangeNotSigned
    start, end, expires, repository_id, user_id, token_id = values
    signed = tokens.SignedRange(name, start, end, expires, repository_id, user_id, token_id)
    if not signed.is_valid(request.GET.get("signature", ""), timezone.now()):
        raise RangeNotSigned
    return signed.start, signed.end
