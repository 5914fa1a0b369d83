"""Packs of a few kilobytes that unpack to gigabytes: git ends before the machine's memory does."""

from __future__ import annotations

import hashlib
import resource
import struct
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from hub.accounts.principals import Principal
from hub.gitstore import RefUpdate, packs, serving
from hub.gitstore.incoming import RECORD_BYTES_MAX
from hub.gitstore.questions import NULL_SHA, Push
from hub.gitstore.trees import entry_of
from hub.repos.models import Repository
from hub.revisions import pushes
from tests.factories import hub as factories
from tests.factories.hub import NOW

pytestmark = pytest.mark.django_db

REF_DELTA = 7
# The most that one instruction of a delta copies.
PIECE = 0xFFFFFF
WHO = b"a <a@example.org> 1700000000 +0000"
# A piece of a pack: kind, data, and for a delta the id of its base.
Part = tuple[int, bytes, bytes | None]


@pytest.fixture
def alice() -> Principal:
    return factories.actor()


@pytest.fixture
def repository(alice: Principal) -> Repository:
    return factories.repository(alice)


def variable(number: int, *, first: int = 0, bits: int = 7) -> bytes:
    """A size as packs have it: so many bits in the first byte, beside `first`, then seven in each."""
    found = bytearray([first | (number & ((1 << bits) - 1))])
    number >>= bits
    while number:
        found[-1] |= 0x80
        found.append(number & 0x7F)
        number >>= 7
    return bytes(found)


def pack(parts: Sequence[Part]) -> bytes:
    """A pack, which may hold deltas (gitformat-pack(5))."""
    found = b"PACK" + struct.pack(">II", 2, len(parts))
    for kind, data, base in parts:
        found += variable(len(data), first=kind << 4, bits=4) + (base or b"") + zlib.compress(data)
    return found + hashlib.sha1(found).digest()  # noqa: S324 - git's own hash


def copies(times: int) -> bytes:
    """A delta whose result is its base, so many times."""
    return variable(PIECE) + variable(PIECE * times) + b"\xf0\xff\xff\xff" * times


def history(message: bytes = b"x", tree: bytes = b"") -> tuple[list[Part], str]:
    """A tree, a commit of it, and the commit's id."""
    commit = b"tree %b\nauthor %b\ncommitter %b\n\n%b\n" % (
        packs.object_id(packs.TREE, tree).hex().encode(),
        WHO,
        WHO,
        message,
    )
    return [(packs.TREE, tree, None), (packs.COMMIT, commit, None)], packs.object_id(
        packs.COMMIT, commit
    ).hex()


def push(repository: Repository, tmp_path: Path, body: bytes, commit: str) -> tuple[str, list[Push]]:
    """(git's answer to a push that makes a branch, the pushes that the hub had to decide)."""
    asked: list[Push] = []

    def decide(given: Push) -> list[str]:
        asked.append(given)
        return ["Seen."]

    line = f"{NULL_SHA} {commit} refs/heads/new\0report-status side-band-64k agent=test".encode()
    path = tmp_path / "body"
    path.write_bytes(b"%04x%b0000%b" % (len(line) + 4, line, body))
    with path.open("rb") as request:
        answer = serving.receive_pack(
            repository.storage, request, protocol="", decide=decide, move=lambda _: {}
        )
        return b"".join(answer).decode(), asked


def used_by_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class TestReceivePack:
    def test_takes_a_pack_with_deltas(self, repository: Repository, tmp_path: Path) -> None:
        base = bytes(PIECE)
        parts, commit = history()
        body = pack(
            [*parts, (packs.BLOB, base, None), (REF_DELTA, copies(2), packs.object_id(packs.BLOB, base))]
        )
        said, asked = push(repository, tmp_path, body, commit)
        assert "unpack ok" in said
        assert asked != []

    def test_ends_before_an_object_fills_the_memory(self, repository: Repository, tmp_path: Path) -> None:
        """17 kilobytes that stand for 16 gigabytes."""
        base = bytes(PIECE)
        parts, commit = history()
        body = pack(
            [*parts, (packs.BLOB, base, None), (REF_DELTA, copies(1_000), packs.object_id(packs.BLOB, base))]
        )
        assert len(body) < 20_000
        said, asked = push(repository, tmp_path, body, commit)
        assert "unpack index-pack abnormal exit" in said
        assert asked == []

    def test_ends_when_a_small_push_takes_long(
        self, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """40 kilobytes that stand for 40 gigabytes, in objects that are each small enough."""
        monkeypatch.setattr(serving, "PUSH_SECONDS_MIN", 1)
        base = bytes(PIECE)
        parts, commit = history()
        oid = packs.object_id(packs.BLOB, base)
        deltas: list[Part] = [(REF_DELTA, copies(25 - number % 5), oid) for number in range(100)]
        before = used_by_children()
        said, asked = push(repository, tmp_path, pack([*parts, (packs.BLOB, base, None), *deltas]), commit)
        assert "unpack index-pack abnormal exit" in said
        assert asked == []
        # Reading 40 GB takes forty times as long at the least.
        assert used_by_children() - before < 10


class TestReasons:
    """Objects that git takes and the hub does not."""

    @pytest.fixture
    def reasons(
        self, alice: Principal, repository: Repository, tmp_path: Path
    ) -> Callable[[Sequence[Part], str], list[str]]:
        def reasons(parts: Sequence[Part], commit: str) -> list[str]:
            objects = tmp_path / commit
            (objects / "pack").mkdir(parents=True)
            made, index = packs.pack_of(
                {packs.object_id(kind, data): (kind, data) for kind, data, _ in parts}
            )
            (objects / "pack" / f"{packs.name_of(made)}.pack").write_bytes(made)
            (objects / "pack" / f"{packs.name_of(made)}.idx").write_bytes(index)
            asked = Push([RefUpdate("refs/heads/new", None, commit)], objects)
            return pushes.reasons_against(
                actor=alice, repository=repository, push=asked, authorize=lambda *_: [], now=NOW
            )[0]

        return reasons

    @pytest.mark.parametrize(
        ("size", "said"), [(1000, ""), (RECORD_BYTES_MAX + 1, f"{RECORD_BYTES_MAX} are allowed")]
    )
    def test_name_commits_with_endless_messages(
        self, reasons: Callable[[Sequence[Part], str], list[str]], size: int, said: str
    ) -> None:
        found = reasons(*history(b"m" * size))
        assert len(found) == bool(said)
        assert said in "".join(found)

    @pytest.mark.parametrize(
        ("mode", "said"),
        [
            (0o100644, ""),
            (0o100664, ""),
            (0o777, "“name” has the mode 777"),
            (0o140000, "“name” has the mode 140000"),
            (0o240000, "“name” has the mode 240000"),
            (0o37777777777, "“name” has the mode 37777777777"),
        ],
    )
    def test_name_entries_of_unusual_modes(
        self, reasons: Callable[[Sequence[Part], str], list[str]], mode: int, said: str
    ) -> None:
        """The library that reads trees fails at some of them, and so did every page of the repository."""
        blob = b"text"
        tree = entry_of(b"name", mode, packs.object_id(packs.BLOB, blob))
        parts, commit = history(tree=tree)
        found = reasons([*parts, (packs.BLOB, blob, None)], commit)
        assert len(found) == bool(said)
        assert said in "".join(found)
