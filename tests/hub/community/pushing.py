"""Requests of pushes, as a client sends them."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from hub.accounts.principals import Principal
from hub.community.services import receive_push
from hub.gitstore import RefUpdate
from hub.gitstore.questions import NULL_SHA
from hub.repos import locking
from hub.repos.locking import LockedRepository
from hub.repos.models import Repository
from tests.factories.hub import NOW

EMPTY_PACK = b"PACK" + struct.pack(">II", 2, 0)
EMPTY_PACK += hashlib.sha1(EMPTY_PACK).digest()  # noqa: S324 - git's own hash


def pkt(line: bytes) -> bytes:
    return b"%04x%b" % (len(line) + 4, line)


def request_of(*updates: RefUpdate, atomic: bool = False, pack: bytes = EMPTY_PACK) -> bytes:
    """The body of a push; `pack` holds the objects that the repository lacks."""
    capabilities = b"\0report-status" + (b" atomic" if atomic else b"")
    body = b""
    for update in updates:
        line = f"{update.old or NULL_SHA} {update.new or NULL_SHA} {update.ref}".encode()
        body += pkt(line + (b"" if body else capabilities))
    return body + b"0000" + (pack if any(update.new for update in updates) else b"")


def send(path: Path, actor: Principal, repository: Repository, body: bytes) -> list[str]:
    """Push a body, which is kept in this file; the lines of git's report."""
    path.write_bytes(body)
    with path.open("rb") as request:
        answer = b"".join(
            receive_push(actor=actor, repository=repository, request=request, protocol="", now=NOW)
        )
    lines = []
    while (size := int(answer[:4], 16)) > 0:
        lines.append(answer[4:size].decode().strip())
        answer = answer[size:]
    return lines


def overtake(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Act between the checks of a push and the lock under which its refs move."""
    take, calls = locking.lock_repository, iter(range(100))

    def overtaken(pk: int) -> LockedRepository:
        # The first lock of a push links its large objects, the second moves its refs.
        if next(calls) == 1:
            act()
        return take(pk)

    monkeypatch.setattr(locking, "lock_repository", overtaken)
