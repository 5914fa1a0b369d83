"""The checks of file paths and ref names before they are stored."""

from __future__ import annotations

import re
import unicodedata

from foundation import hex_digits
from hub.gitstore.errors import InvalidPath, InvalidRefName

PATH_BYTES_MAX = 4096
SEGMENT_BYTES_MAX = 255
# A full name of a ref.
REF_BYTES_MAX = 1000
# Folders in folders are walked by recursion, in libgit2 too.
SEGMENTS_MAX = 256
# Names that some file system takes for `.git` (git's own fsck list: dot-less, short and ignorable forms).
_GIT_FOLDER = re.compile(r"^(\.git|git~\d+)[ .]*(:.*)?$", re.IGNORECASE)
# https://git-scm.com/docs/git-check-ref-format
_REF_FORBIDDEN = re.compile(
    # U+FFFD replaces bytes that are not UTF-8.
    r"[\x00-\x20\x7f~^:?*\[\\\ufffd]|\.\.|@\{|//|\.lock(/|$)|(^|/)\.|\.$|/$|^/|^@$|^-"
)


def _ignorable(character: str) -> bool:
    return unicodedata.category(character) == "Cf"


def require_path(path: str) -> str:
    """Return the path of a file inside a tree, if it can be stored and checked out everywhere.

    A backslash is a character like any other, as in git. But Windows takes it for a separator, so `.git` is
    looked for behind one too, and a path that begins with `..` and a backslash is refused.
    Raises: InvalidPath for absolute and climbing paths, `.git` in any spelling, control characters, empty
    segments and over-long names.
    """

    def refuse(reason: str) -> InvalidPath:
        return InvalidPath(path=path[:200], reason=reason)

    if not path:
        raise refuse("it is empty.")
    try:
        encoded = path.encode()
    except UnicodeEncodeError:
        raise InvalidPath(path=ascii(path)[:200], reason="it is not valid UTF-8.") from None
    if len(encoded) > PATH_BYTES_MAX:
        raise refuse(f"it has more than {PATH_BYTES_MAX} bytes.")
    require_depth(path)
    if any(unicodedata.category(character) == "Cc" for character in path):
        raise refuse("control characters are not allowed.")
    if path.startswith("..\\"):
        raise refuse("it must not climb, on Windows either.")
    for segment in path.split("/"):
        if segment in {"", ".", ".."}:
            raise refuse("it must be relative, without empty, “.” or “..” segments.")
        if len(segment.encode()) > SEGMENT_BYTES_MAX:
            raise refuse(f"a segment has more than {SEGMENT_BYTES_MAX} bytes.")
        visible = "".join(c for c in segment if not _ignorable(c))
        if any(_GIT_FOLDER.match(part) for part in visible.split("\\")):
            raise refuse("“.git” belongs to git.")
    return path


def require_depth(path: str) -> None:
    """Raises: InvalidPath when a path leads through too many folders."""
    if path.count("/") >= SEGMENTS_MAX:
        raise InvalidPath(path=path[:200], reason=f"it has more than {SEGMENTS_MAX} segments.")


def path_bytes(path: str) -> bytes:
    """A path as git has it. Raises: InvalidPath when no tree can hold a path of that length or spelling."""
    try:
        encoded = path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise InvalidPath(path=ascii(path)[:200], reason="it is not valid UTF-8.") from None
    if len(encoded) > PATH_BYTES_MAX:
        raise InvalidPath(path=path[:200], reason=f"it has more than {PATH_BYTES_MAX} bytes.")
    return encoded


def is_ref_name(name: str) -> bool:
    """True if git takes a name, full or short, for a ref as it is: another spelling of no other name."""
    return (
        0 < len(name.encode(errors="replace")) <= REF_BYTES_MAX
        and not any("\ud800" <= character <= "\udfff" for character in name)
        and not _REF_FORBIDDEN.search(name)
    )


def require_ref_name(name: str, *, what: str) -> str:
    """Return the short name of a branch or tag. Raises: InvalidRefName."""
    if (
        not is_ref_name(name)
        or len(name.encode(errors="replace")) > SEGMENT_BYTES_MAX
        or name == "HEAD"
        or name.startswith("refs/")
        or hex_digits.SHA1.fullmatch(name)
    ):
        raise InvalidRefName(name=name[:200].encode(errors="replace").decode(), what=what)
    return name
