"""Serving file content: the one place that turns an entry into an answer, for every dialect."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from django.conf import settings
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse

from hub.api.counting import count_download
from hub.api.ranges import ByteRange, RangeNotSatisfiable, parse_range
from hub.gitstore import Entry
from hub.lfs import selectors as lfs
from hub.lfs.models import LfsObject
from hub.repos.models import Repository
from hub.revisions import selectors

PRESIGNED_SECONDS = 3600
# Browsers must never run what a repository holds in the hub's own origin.
SAFE_INLINE = frozenset({"text/plain", "image/png", "image/jpeg", "image/gif", "image/webp"})


def content_type(path: str) -> str:
    """What a browser may be told. Scripts, pages and drawings are text or bytes to it."""
    guessed = mimetypes.guess_type(path)[0] or "application/octet-stream"
    if guessed in SAFE_INLINE or guessed.startswith(("audio/", "video/")):
        return guessed
    if guessed == "application/json" or guessed.startswith("text/"):
        return "text/plain; charset=utf-8"
    return "application/octet-stream"


# A quoted header value holds no quote and no backslash; `encode` has put `?` for what is not ASCII.
PLAIN_NAME = str.maketrans({'"': "'", "\\": "_", "?": "_"})


def disposition(path: str) -> str:
    name = path.rpartition("/")[2]
    plain = name.encode("ascii", "replace").decode().translate(PLAIN_NAME)
    return f"inline; filename*=UTF-8''{quote(name, safe='')}; filename=\"{plain}\";"


def describe(response: HttpResponseBase, path: str) -> None:
    """Headers that every answer with file content carries."""
    response["Content-Type"] = content_type(path)
    response["Content-Disposition"] = disposition(path)
    response["Accept-Ranges"] = "bytes"
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    # Nothing between here and the client may compress or rewrite it: sizes and tags would not match.
    response["Cache-Control"] = "no-transform"


def serve(
    request: HttpRequest, repository: Repository, entry: Entry, *, may_redirect: bool = True
) -> HttpResponseBase:
    """The content of a file, or the range of it that was asked for. HEAD gets the headers alone.

    Raises: EntryNotFound when an object's bytes are gone.
    """
    size = entry.content_size
    try:
        wanted = parse_range(request.headers.get("Range"), size)
    except RangeNotSatisfiable:
        response: HttpResponseBase = HttpResponse(status=416)
        response["Content-Range"] = f"bytes */{size}"
        describe(response, entry.path)
        return response
    span = wanted or ByteRange(0, size)
    if request.method == "HEAD":
        response = HttpResponse()
    elif entry.pointer is None:
        response = _from_git(repository, entry, span)
    else:
        response = _from_store(repository, entry, span, may_redirect=may_redirect)
    if request.method == "GET":
        count_download(request, repository)
    if response.status_code == 302:
        return response
    if wanted is not None:
        response.status_code = 206
        response["Content-Range"] = span.content_range(size)
    response["Content-Length"] = str(span.length)
    describe(response, entry.path)
    return response


def _from_git(repository: Repository, entry: Entry, span: ByteRange) -> HttpResponse:
    data = selectors.git_of(repository).read(entry.oid)
    return HttpResponse(data if span.length == len(data) else data[span.start : span.end])


def _from_store(
    repository: Repository, entry: Entry, span: ByteRange, *, may_redirect: bool
) -> HttpResponseBase:
    assert entry.pointer is not None
    stored = lfs.get_object(repository_id=repository.pk, oid=entry.pointer.oid)
    return stored_response(stored, span, entry.path, may_redirect=may_redirect)


def stored_response(
    stored: LfsObject, span: ByteRange, path: str, *, may_redirect: bool = True
) -> HttpResponseBase:
    """A large object by the cheapest way there is: the store itself, the front server, the kernel, or
    a stream. The first is a redirect (302), which the store answers with the range that is asked of it.
    """
    url = may_redirect and lfs.presigned_url(
        stored,
        expires_seconds=PRESIGNED_SECONDS,
        disposition=disposition(path),
        content_type=content_type(path),
    )
    if url:
        redirect = HttpResponse(status=302)
        redirect["Location"] = url
        return redirect
    local = lfs.local_path(stored)
    if local is None:
        return StreamingHttpResponse(lfs.open_object(stored, span.start, span.end))
    if settings.ACCEL_REDIRECT_PREFIX:
        accelerated = HttpResponse()
        accelerated["X-Accel-Redirect"] = settings.ACCEL_REDIRECT_PREFIX + quote(
            str(local.relative_to(settings.BLOB_ROOT))
        )
        return accelerated
    return sendfile(local, span)


class _Slice:
    """A file from its present position on, `left` bytes long. The server reads or sends it by its number."""

    def __init__(self, file: BinaryIO, left: int) -> None:
        self.file, self.left = file, left

    def read(self, size: int = -1) -> bytes:
        data = self.file.read(self.left if size < 0 else min(size, self.left))
        self.left -= len(data)
        return data

    def fileno(self) -> int:
        return self.file.fileno()

    def tell(self) -> int:
        return self.file.tell()

    def seekable(self) -> bool:
        return False

    def close(self) -> None:
        self.file.close()

    def __iter__(self) -> Iterator[bytes]:
        while data := self.read(1 << 16):
            yield data


def sendfile(path: Path, span: ByteRange) -> FileResponse:
    """Through `wsgi.file_wrapper`: the kernel copies from the file to the socket."""
    file = path.open("rb")
    file.seek(span.start)
    response = FileResponse(_Slice(file, span.length))
    response["Content-Length"] = str(span.length)
    return response
