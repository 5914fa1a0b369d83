"""Serving file content: the one place that turns an entry into an answer, for every dialect."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from django.conf import settings
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse

from hub.accounts.models import Visibility
from hub.api import byte_serving
from hub.api.byte_serving import ByteRange
from hub.api.counting import count_download
from hub.blobstore import BlobReader
from hub.gitstore import Entry
from hub.lfs import selectors as lfs
from hub.lfs.models import LfsObject
from hub.repos.models import Repository
from hub.revisions import reading

PRESIGNED_SECONDS = 3600
# Browsers must never run what a repository holds in the hub's own origin.
SAFE_INLINE = frozenset({"text/plain", "image/png", "image/jpeg", "image/gif", "image/webp"})


def content_type(path: str) -> str:
    """The media type to send to browsers. Scripts, pages and drawings are sent as text or bytes."""
    guessed = mimetypes.guess_type(path)[0] or "application/octet-stream"
    if guessed in SAFE_INLINE or guessed.startswith(("audio/", "video/")):
        return guessed
    if guessed == "application/json" or guessed.startswith("text/"):
        return "text/plain; charset=utf-8"
    return "application/octet-stream"


# A quoted header value holds no quote and no backslash; `encode` has put `?` for what is not ASCII.
PLAIN_NAME = str.maketrans({'"': "'", "\\": "_", "?": "_"} | dict.fromkeys((*range(32), 127), "_"))


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


# Nothing between here and the client may compress or rewrite content: sizes and tags would not match.
ALWAYS_ASK = "no-cache, no-transform"
ALWAYS_ASK_ALONE = f"private, {ALWAYS_ASK}"
NEVER_CHANGES = "public, max-age=31536000, immutable, no-transform"


def cache_control(repository: Repository, *, is_pinned: bool) -> str:
    """The `Cache-Control` of a file. `is_pinned`: the address names the commit by its whole id.

    A branch moves, so caches ask for its files each time (and get 304). A file that is not public may be kept
    by the reader's own cache only, and the reader's permission is checked each time.
    """
    is_public = repository.visibility == Visibility.PUBLIC and not (
        repository.gating or repository.is_disabled
    )
    if not is_public:
        return ALWAYS_ASK_ALONE
    return NEVER_CHANGES if is_pinned else ALWAYS_ASK


def serve(
    request: HttpRequest,
    repository: Repository,
    entry: Entry,
    *,
    etag: str,
    is_pinned: bool = False,
    may_redirect: bool = True,
) -> HttpResponseBase:
    """The content of a file, or the requested range of it. HEAD gets the headers alone.

    Raises: EntryNotFound when an object's bytes are gone.
    """
    # A store knows the object by another tag than ours, so it cannot answer `If-Range`.
    may_redirect = may_redirect and "If-Range" not in request.headers

    def send(span: ByteRange) -> HttpResponseBase:
        if entry.pointer is None:
            return _from_git(repository, entry, span)
        return _from_store(repository, entry, span, may_redirect=may_redirect)

    response = byte_serving.respond(request, size=entry.content_size, etag=etag, send=send)
    if request.method == "GET" and response.status_code in {200, 206, 302}:
        count_download(request, repository)
    if response.status_code == 302:
        response["Cache-Control"] = "no-store"
        return response
    if response.status_code != 304:
        describe(response, entry.path)
    response["Cache-Control"] = cache_control(repository, is_pinned=is_pinned)
    return response


def serve_blob(
    request: HttpRequest, repository: Repository, entry: Entry, *, is_pinned: bool = False
) -> HttpResponseBase:
    """As `serve`, of the blob as git has it: for an LFS file its pointer. It is no download."""
    blob = replace(entry, pointer=None)
    response = byte_serving.respond(
        request, size=blob.size, etag=blob.oid, send=lambda span: _from_git(repository, blob, span)
    )
    if response.status_code != 304:
        describe(response, blob.path)
    response["Cache-Control"] = cache_control(repository, is_pinned=is_pinned)
    return response


def serve_object(request: HttpRequest, stored: LfsObject) -> HttpResponseBase:
    """A large object by its sha256, at an address that is the permission."""
    may_redirect = "If-Range" not in request.headers
    response = byte_serving.respond(
        request,
        size=stored.size_bytes,
        etag=stored.oid,
        send=lambda span: stored_response(stored, span, stored.oid, may_redirect=may_redirect),
    )
    if response.status_code == 302:
        response["Cache-Control"] = "no-store"
        return response
    if response.status_code != 304:
        describe(response, stored.oid)
    response["Cache-Control"] = ALWAYS_ASK_ALONE
    return response


def _from_git(repository: Repository, entry: Entry, span: ByteRange) -> HttpResponse:
    data = reading.read_blob(repository, entry)
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
    """A large object by the cheapest way there is: the store itself, the front server, the kernel, or a
    stream. The first is a redirect (302), which the store answers with the requested range.
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
        return StreamingHttpResponse(_Begun(lfs.open_object(stored, span.start, span.end)))
    if settings.ACCEL_REDIRECT_PREFIX:
        accelerated = HttpResponse()
        accelerated["X-Accel-Redirect"] = settings.ACCEL_REDIRECT_PREFIX + quote(
            str(local.relative_to(settings.BLOB_ROOT))
        )
        return accelerated
    return sendfile(local, span)


class _Begun:
    """A reader whose first block is read at once: a store that fails is still a refusal with a status.

    Once the head of an answer is sent, all that is left is to break it off.
    """

    def __init__(self, reader: BlobReader) -> None:
        self._reader, self._blocks = reader, iter(reader)
        try:
            self._first = next(self._blocks, b"")
        except BaseException:
            reader.close()
            raise

    def __iter__(self) -> Iterator[bytes]:
        yield self._first
        yield from self._blocks

    def close(self) -> None:
        self._reader.close()


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
