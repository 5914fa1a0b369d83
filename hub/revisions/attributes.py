"""The paths that `.gitattributes` gives to git-lfs, read as git reads it.

Source: gitattributes(5) and git's attr.c: quoted patterns, macros, a BOM, lines of 2,048 bytes and more
(ignored), and one file in each folder on the way to a path, where the deeper one decides. Only the
attribute `filter` is looked at, and the macros that can set it. Work is counted in a `Budget`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from hub.gitstore import GitRepository, wildmatch
from hub.gitstore.folder_reader import FolderReader
from hub.gitstore.paths import path_bytes
from hub.gitstore.wildmatch import PATTERN_STEPS, Budget, Pattern
from hub.repos.attributes import COMMON

NAME = b".gitattributes"
# git ignores a file of more than 100 MiB; this hub one of more than 1 MiB.
FILE_BYTES_MAX = 1 << 20
LINE_BYTES_MAX = 2048
CACHED_FILE_BYTES_MAX = 64 * 1024
# The cost of opening a folder and of reading a byte of a file, in comparisons of bytes.
FOLDER_STEPS = 500
PARSE_STEPS_PER_BYTE = 50
BOM = b"\xef\xbb\xbf"
_BLANK = b" \t\r\n"
_MACRO = b"[attr]"
_NAME_BYTES = frozenset(b"-_.0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_ESCAPES = {
    byte: bytes([value]) for byte, value in zip(b'abfnrtv\\"', (7, 8, 12, 10, 13, 9, 11, 92, 34), strict=True)
}
# The value of an attribute: a text, or one of these.
_TRUE, _FALSE, _UNSET = True, False, None

State = tuple[bytes, bytes | bool | None]


@dataclass(frozen=True, slots=True)
class Line:
    """A pattern and what it sets, in the order of the line."""

    pattern: Pattern
    states: tuple[State, ...]


class Attributes:
    """One `.gitattributes` file: its lines and its macros."""

    def __init__(self, lines: Sequence[Line], macros: dict[bytes, tuple[State, ...]]) -> None:
        self.macros = macros
        self._lines = lines
        # Lines without wildcards are looked up; their number costs nothing.
        self._literal: dict[tuple[bool, bytes], list[int]] = {}
        self._wild: list[int] = []
        for number, line in enumerate(lines):
            pattern = line.pattern
            if pattern.literal is None:
                self._wild.append(number)
            else:
                self._literal.setdefault((pattern.is_anchored, pattern.literal), []).append(number)
        self._patterns_cost = len(self._wild) * PATTERN_STEPS
        self._width = sum(lines[number].pattern.width for number in self._wild)

    def matching(self, path: bytes, budget: Budget) -> Iterator[tuple[State, ...]]:
        """The attributes set by the lines that match a path, the last line first. `path` is relative to the
        file.
        """
        budget.spend(self._patterns_cost + self._width * len(path))
        found = [number for number in self._wild if self._lines[number].pattern.matches(path)]
        found += self._literal.get((True, path), [])
        found += self._literal.get((False, path[path.rfind(b"/") + 1 :]), [])
        for number in sorted(found, reverse=True):
            budget.spend(len(self._lines[number].states))
            yield self._lines[number].states


NONE = Attributes([], {})


def parse(data: bytes, *, is_root: bool = True) -> Attributes:
    """Read a file. Only the root's may define macros; a line that git refuses says nothing."""
    lines: list[Line] = []
    macros: dict[bytes, tuple[State, ...]] = {}
    for row in data.removeprefix(BOM).split(b"\n"):
        text = row.removesuffix(b"\r").partition(b"\0")[0]
        start = text.lstrip(_BLANK)
        if not start or start.startswith(b"#") or len(text) >= LINE_BYTES_MAX:
            continue
        name, rest = _name_and_rest(start)
        states = _states(rest)
        if states is None:
            continue
        if name.startswith(_MACRO) and len(name) > len(_MACRO):
            macro = name.removeprefix(_MACRO).lstrip(_BLANK)
            macro = macro[: len(macro) - len(_after_blank(macro))]
            if is_root and _is_name(macro):
                macros[macro] = states
            continue
        pattern = wildmatch.parse(name)
        if states and pattern and not pattern.is_negated and not pattern.only_folders:
            lines.append(Line(pattern, states))
    return Attributes(lines, macros)


@lru_cache(maxsize=128)
def _parse_small(data: bytes, *, is_root: bool) -> Attributes:
    return parse(data, is_root=is_root)


def _after_blank(text: bytes) -> bytes:
    """The rest of a line, from the first white space on."""
    at = next((at for at, byte in enumerate(text) if byte in _BLANK), len(text))
    return text[at:]


def _name_and_rest(text: bytes) -> tuple[bytes, bytes]:
    if text.startswith(b'"') and (quoted := _unquoted(text)) is not None:
        return quoted
    rest = _after_blank(text)
    return text[: len(text) - len(rest)], rest


def _unquoted(text: bytes) -> tuple[bytes, bytes] | None:
    """The name in C's quotes, and what follows it; None for what is no such name."""
    found = bytearray()
    at = 1
    while at < len(text):
        byte = text[at]
        if byte == ord('"'):
            return bytes(found), text[at + 1 :]
        if byte != ord("\\"):
            found.append(byte)
            at += 1
            continue
        digits = text[at + 1 : at + 4]
        if text[at + 1 : at + 2] and (plain := _ESCAPES.get(text[at + 1])):
            found += plain
            at += 2
        elif len(digits) == 3 and digits[0] in b"0123" and set(digits) <= set(b"01234567"):
            found.append(int(digits, 8))
            at += 4
        else:
            return None
    return None


def _states(text: bytes) -> tuple[State, ...] | None:
    """The attributes that a line sets; None if one name is invalid, because git then ignores the
    whole line.
    """
    states: list[State] = []
    for word in text.split():
        name, equals, value = word.partition(b"=")
        sign = name[:1] if name[:1] in {b"-", b"!"} else b""
        name = name[len(sign) :]
        if not _is_name(name):
            return None
        states.append((name, {b"-": _FALSE, b"!": _UNSET}[sign] if sign else value if equals else _TRUE))
    return tuple(states)


def _is_name(name: bytes) -> bool:
    return bool(name) and not name.startswith(b"-") and _NAME_BYTES.issuperset(name)


def filter_of(path: bytes, files: Sequence[tuple[bytes, Attributes]], budget: Budget) -> bytes | bool | None:
    """The value of `filter` for a path.

    `files` are the folders (without a slash at the end) and their attributes, the deepest first; the last
    is the root's. Within a file the last line decides.
    """
    macros = files[-1][1].macros if files else {}
    values: dict[bytes, bytes | bool | None] = {}
    for folder, attributes in files:
        inside = path[len(folder) + 1 :] if folder else path
        for states in attributes.matching(inside, budget):
            _fill(values, states, macros, budget)
            if b"filter" in values:
                return values[b"filter"]
    return None


def _fill(
    values: dict[bytes, bytes | bool | None],
    states: tuple[State, ...],
    macros: dict[bytes, tuple[State, ...]],
    budget: Budget,
) -> None:
    """Set what is not set yet, from the last word of a line to the first; a macro at its own place."""
    waiting = [reversed(states)]
    while waiting:
        for name, value in waiting[-1]:
            if name in values:
                continue
            values[name] = value
            if value is _TRUE and name in macros:
                budget.spend(len(macros[name]))
                waiting.append(reversed(macros[name]))
                break
        else:
            waiting.pop()


class AttributesAt:
    """The attributes of one commit, read folder by folder as paths are looked up.

    Made for one request: it counts all its work in one budget. `commit` None means a new repository.
    """

    def __init__(self, git: GitRepository, commit: str | None, budget: Budget | None = None) -> None:
        """Raises: RevisionNotFound."""
        self.budget = budget or Budget()
        self._folders = FolderReader(git, commit) if commit is not None else None
        self._parsed: dict[tuple[str, bool], Attributes] = {}

    def is_lfs(self, path: str) -> bool:
        """True if git-lfs keeps the file at a path. Raises: InvalidPath, TooManyPatterns."""
        encoded = path_bytes(path)
        if self._folders is None:
            return is_lfs_by(DEFAULT, path, self.budget)
        files: list[tuple[bytes, Attributes]] = []
        for folder, oid in self._folders.each(encoded, NAME, bytes_max=FILE_BYTES_MAX):
            self.budget.spend(FOLDER_STEPS + len(folder))
            if oid is not None or not folder:
                files.insert(0, (folder, self._read(oid, is_root=not folder)))
        return filter_of(encoded, files, self.budget) == b"lfs"

    def _read(self, oid: str | None, *, is_root: bool) -> Attributes:
        if oid is None:
            return NONE
        found = self._parsed.get((oid, is_root))
        if found is None:
            assert self._folders is not None
            data = self._folders.read(oid)
            self.budget.spend(PARSE_STEPS_PER_BYTE * len(data))
            read = _parse_small if len(data) <= CACHED_FILE_BYTES_MAX else parse
            found = self._parsed[oid, is_root] = read(data, is_root=is_root)
        return found


DEFAULT = parse("".join(f"{pattern} filter=lfs\n" for pattern in COMMON).encode())


def is_lfs_by(attributes: Attributes, path: str, budget: Budget) -> bool:
    """As `AttributesAt.is_lfs`, by one text alone."""
    return filter_of(path_bytes(path), [(b"", attributes)], budget) == b"lfs"
