"""Smart HTTP: fetch and push (git's gitprotocol-http)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, TypeVar

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils import timezone

from foundation import bodies
from foundation.errors import Denied
from hub.api.counting import count_download
from hub.api.git import parse
from hub.api.git.http import actor, repository
from hub.community import services
from hub.gitstore import serving
from hub.repos import policies
from hub.revisions import ref_copies

Answer = TypeVar("Answer", bound=HttpResponseBase)


class DumbProtocol(Denied):
    code = "dumb_protocol"
    message = "This hub speaks git's smart HTTP protocol only; use git 1.6.6 or newer."


def info_refs(request: HttpRequest, kind: str, repo_id: str) -> HttpResponse:
    """The first request of every fetch and push."""
    asked = request.GET.get("service")
    found = repository(request, kind, repo_id)
    service: serving.Service
    if asked == "git-upload-pack":
        service = "git-upload-pack"
        policies.require_content(actor(request), found)
    elif asked == "git-receive-pack":
        service = "git-receive-pack"
        services.require_push(actor=actor(request), repository=found)
    else:
        raise DumbProtocol
    ref_copies.publish_here(found)
    advertised = serving.advertise(found.storage, service, protocol=_protocol(request))
    return _uncached(HttpResponse(advertised, content_type=f"application/x-{service}-advertisement"))


def upload_pack(request: HttpRequest, kind: str, repo_id: str) -> HttpResponseBase:
    found = repository(request, kind, repo_id)
    policies.require_content(actor(request), found)
    bodies.allow(request, parse.FETCH_BYTES_MAX + 1)
    body = parse.fetch_body(request)
    if parse.asks_for_objects(body):
        count_download(request, found)
    ref_copies.publish_here(found)
    answer = serving.upload_pack(found.storage, body, protocol=_protocol(request))
    return _streamed(answer, body, "application/x-git-upload-pack-result")


def receive_pack(request: HttpRequest, kind: str, repo_id: str) -> HttpResponseBase:
    found = repository(request, kind, repo_id)
    # Asked before the body is read: a stranger's gigabytes are not taken in.
    services.require_push(actor=actor(request), repository=found)
    body = parse.push_body(request)
    try:
        answer = services.receive_push(
            actor=actor(request),
            repository=found,
            request=body,
            protocol=_protocol(request),
            now=timezone.now(),
        )
    except BaseException:
        body.close()
        raise
    return _streamed(answer, body, "application/x-git-receive-pack-result")


def _protocol(request: HttpRequest) -> str:
    return request.headers.get("Git-Protocol", "")


def _streamed(answer: Iterator[bytes], body: BinaryIO, content_type: str) -> StreamingHttpResponse:
    def stream() -> Iterator[bytes]:
        with body:
            yield from answer

    return _uncached(StreamingHttpResponse(stream(), content_type=content_type))


def _uncached(response: Answer) -> Answer:
    response["Cache-Control"] = "no-cache, max-age=0, must-revalidate, no-transform"
    response["Expires"] = "Fri, 01 Jan 1980 00:00:00 GMT"
    response["Pragma"] = "no-cache"
    return response
