"""The content of repositories as plain values. Object ids are 40 hex digits."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from foundation import hex_digits

# Blobs above the one and up to the other size are looked at for being LFS pointers; real ones have 120 to
# 200 bytes.
POINTER_SIZE_MIN, POINTER_SIZE_MAX = 100, 1024
POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\n(?:ext-[^\n]+\n)*"
    rb"oid sha256:(" + hex_digits.pattern(64).encode() + rb")\nsize (\d{1,19})\n?"
)


@dataclass(frozen=True, slots=True)
class Pointer:
    """The content of a git-lfs pointer blob: the sha256 and size in bytes of the real content."""

    oid: str
    size: int

    @classmethod
    def parse(cls, data: bytes) -> Pointer | None:
        """Return the pointer that a blob is, or None.

        Source: git-lfs specification, docs/spec.md, "The Pointer".
        """
        if len(data) > POINTER_SIZE_MAX or not data.startswith(b"version "):
            return None
        match = POINTER.fullmatch(data)
        return cls(oid=match[1].decode(), size=int(match[2])) if match else None

    def render(self) -> bytes:
        return (
            f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.oid}\nsize {self.size}\n".encode()
        )


Kind = Literal["file", "directory", "submodule"]


@dataclass(frozen=True, slots=True)
class TreeItem:
    """A line of a tree object: what git knows of an entry without reading the entry itself."""

    path: str
    kind: Kind
    oid: str
    mode: int

    @property
    def is_file(self) -> bool:
        return self.kind == "file"


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or folder of a tree. `size` is the blob's; a pointer's real size is in `pointer`."""

    path: str
    kind: Kind
    oid: str
    size: int = 0
    mode: int = 0o100644
    pointer: Pointer | None = None

    @property
    def is_file(self) -> bool:
        return self.kind == "file"

    @property
    def content_size(self) -> int:
        return self.pointer.size if self.pointer else self.size


@dataclass(frozen=True, slots=True)
class Author:
    name: str
    email: str


@dataclass(frozen=True, slots=True)
class Commit:
    oid: str
    tree: str
    parents: tuple[str, ...]
    message: str
    author: Author
    at: datetime

    @property
    def title(self) -> str:
        return self.message.split("\n", 1)[0].strip()

    @property
    def body(self) -> str:
        return self.message.partition("\n")[2].strip()


@dataclass(frozen=True, slots=True)
class Ref:
    """`name` is the full one, such as `refs/heads/main`; `target` the commit that it leads to.

    `held` is the object that it names: that commit, or an annotated tag.
    """

    name: str
    target: str
    held: str

    @property
    def short_name(self) -> str:
        for prefix in ("refs/heads/", "refs/tags/", "refs/convert/", "refs/pr/"):
            if self.name.startswith(prefix):
                return self.name.removeprefix(prefix)
        return self.name


@dataclass(frozen=True, slots=True)
class RefUpdate:
    """One ref that moves from one object to another. `old` None: it comes to be; `new` None: it goes.

    `new` is a commit, or what a push names: that may be an annotated tag. `tag` is the annotated tag that the
    hub itself made, which the ref then names in place of the commit.
    """

    ref: str
    old: str | None
    new: str | None
    tag: str | None = None

    @property
    def target(self) -> str | None:
        """The object that the ref names afterwards."""
        return self.tag or self.new


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file that differs between two trees. `old` or `new` is None when it was added or deleted."""

    path: str
    old_path: str
    status: Literal["added", "deleted", "modified", "renamed"]
    old: Entry | None
    new: Entry | None
    additions: int = 0
    deletions: int = 0
    patch: str = ""
    is_binary: bool = False
