"""Git's file patterns (`.gitattributes`, `.gitignore`), matched without backtracking.

A pattern is cut at its slashes into segments, and a segment at its stars into runs. A run has a fixed
length, so its leftmost occurrence is found by one scan, and taking the leftmost one is always right. The
same holds for the groups of segments between two `**`. One match therefore costs at most
`len(path) * Pattern.width` comparisons of bytes, whatever the pattern says.

Source: gitignore(5) and git's wildmatch.c. All matching is of bytes, as in git.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _

from foundation.errors import Invalid

# Comparisons of bytes that one request may spend on patterns: about a second of processor time.
STEPS_MAX = 300_000_000
# The fixed cost of a pattern, in the same unit.
PATTERN_STEPS = 300

_CLASSES = {
    b"alnum": b"0-9A-Za-z",
    b"alpha": b"A-Za-z",
    b"blank": rb" \t",
    b"cntrl": rb"\x00-\x1f\x7f",
    b"digit": b"0-9",
    b"graph": rb"\x21-\x7e",
    b"lower": b"a-z",
    b"print": rb"\x20-\x7e",
    b"punct": rb"!-/:-@\[-`{-~",
    b"space": rb"\t-\r ",
    b"upper": b"A-Z",
    b"xdigit": b"0-9A-Fa-f",
}


class TooManyPatterns(Invalid):
    code = "too_many_patterns"
    message = _(
        ".gitattributes and .gitignore have too many or too long patterns for this many files. "
        "Upload fewer files at a time."
    )


class Budget:
    """Counts the work of one request's pattern matching, and ends it. Raises: TooManyPatterns."""

    def __init__(self, steps: int = STEPS_MAX) -> None:
        self.left = steps

    def add(self, steps: int) -> None:
        """More work may be done: for a request that brings more than questions."""
        self.left += steps

    def spend(self, steps: int) -> None:
        self.left -= steps
        if self.left < 0:
            raise TooManyPatterns


@dataclass(frozen=True, slots=True)
class _Segment:
    """The pattern between two slashes: runs of fixed length with `*` between them."""

    runs: tuple[re.Pattern[bytes], ...]
    lengths: tuple[int, ...]

    @property
    def width(self) -> int:
        """The longest run: so many bytes are compared at most at one place of the text."""
        return max(self.lengths) + 1

    def matches(self, text: bytes) -> bool:
        first, length = self.runs[0], self.lengths[0]
        if len(self.runs) == 1:
            return len(text) == length and first.match(text) is not None
        end = len(text) - self.lengths[-1]
        if length > end or not first.match(text) or not self.runs[-1].match(text, end):
            return False
        at = length
        for run in self.runs[1:-1]:
            found = run.search(text, at, end)
            if found is None:
                return False
            at = found.end()
        return True


@dataclass(frozen=True, slots=True)
class Pattern:
    """One compiled pattern.

    `groups` are the segments between `**`; a pattern without a slash has one segment, which is compared
    with the last part of a path. `literal` is the text of a pattern without wildcards.
    """

    is_negated: bool
    only_folders: bool
    is_anchored: bool
    literal: bytes | None
    groups: tuple[tuple[_Segment, ...], ...]
    width: int

    def matches(self, path: bytes) -> bool:
        """True if the pattern matches this path, which is relative to the pattern's folder."""
        if not self.is_anchored:
            return self.groups[0][0].matches(path[path.rfind(b"/") + 1 :])
        parts = path.split(b"/")
        first, last = self.groups[0], self.groups[-1]
        if len(self.groups) == 1:
            return len(first) == len(parts) and _at(first, parts, 0)
        end = len(parts) - len(last)
        if len(first) > end or not _at(first, parts, 0) or not _at(last, parts, end):
            return False
        at = len(first)
        for group in self.groups[1:-1]:
            while at + len(group) <= end and not _at(group, parts, at):
                at += 1
            at += len(group)
            if at > end:
                return False
        return True


def _at(group: tuple[_Segment, ...], parts: list[bytes], at: int) -> bool:
    return all(segment.matches(parts[at + number]) for number, segment in enumerate(group))


def parse(text: bytes) -> Pattern | None:
    """Compile a pattern; None for one that can match nothing (an unclosed or unknown class)."""
    text = text.partition(b"\0")[0]
    is_negated = text.startswith(b"!")
    text = text[is_negated:]
    only_folders = text.endswith(b"/")
    text = text[: len(text) - only_folders]
    is_anchored = b"/" in text
    text = text.removeprefix(b"/") if is_anchored else text
    groups = _groups(text, crosses=is_anchored)
    if groups is None:
        return None
    literal = text if not set(text) & set(b"*?[\\") else None
    return Pattern(is_negated, only_folders, is_anchored, literal, groups, _width(groups))


def _width(groups: tuple[tuple[_Segment, ...], ...]) -> int:
    """Bytes that are compared at one place of the path at most.

    A middle group is tried at each part of the path; the first and the last only once.
    """
    return max(sum(segment.width for segment in group) + 1 for group in groups)


def _groups(text: bytes, *, crosses: bool) -> tuple[tuple[_Segment, ...], ...] | None:
    """The segments, divided where `**` matches any number of folders (only if it `crosses`)."""
    groups: list[list[_Segment]] = [[]]
    runs: list[bytes] = [b""]
    lengths = [0]
    at = 0

    def close() -> None:
        groups[-1].append(_Segment(tuple(re.compile(run, re.DOTALL) for run in runs), tuple(lengths)))
        runs[:], lengths[:] = [b""], [0]

    while at < len(text):
        byte = text[at : at + 1]
        if byte == b"*":
            stop = at + len(text[at:]) - len(text[at:].lstrip(b"*"))
            is_start = at == 0 or text[at - 1 : at] == b"/"
            is_double = crosses and stop - at > 1 and is_start and text[stop : stop + 1] in {b"", b"/"}
            if is_double and stop < len(text):
                groups.append([])
                at = stop + 1
                continue
            # At the end, or before an escaped slash, `**` needs at least one part.
            if is_double or (crosses and stop - at > 1 and is_start and text.startswith(b"\\/", stop)):
                groups.append([])
            runs.append(b"")
            lengths.append(0)
            at = stop
            continue
        if byte == b"/" or text.startswith(b"\\/", at):
            close()
            at += 1 if byte == b"/" else 2
            continue
        element = _element(text, at)
        if element is None:
            return None
        runs[-1] += element[0]
        lengths[-1] += 1
        at = element[1]
    close()
    return tuple(tuple(group) for group in groups)


def _element(text: bytes, at: int) -> tuple[bytes, int] | None:
    """One byte's worth of pattern as a regular expression, and where the next one begins."""
    byte = text[at : at + 1]
    if byte == b"?":
        return b"[^/]", at + 1
    if byte == b"[":
        return _bracket(text, at)
    if byte == b"\\":
        at += 1
        if at == len(text):
            return None
    return re.escape(text[at : at + 1]), at + 1


def _bracket(text: bytes, at: int) -> tuple[bytes, int] | None:
    """A class such as `[a-z]`, `[!x]` or `[[:digit:]]`, read as wildmatch.c reads it.

    A slash is never in a class, however it is written.
    """
    at += 1
    is_negated = text[at : at + 1] in {b"!", b"^"}
    at += is_negated
    members: list[bytes] = []
    previous = b""
    is_first = True
    while is_first or text[at : at + 1] != b"]":
        is_first = False
        byte = text[at : at + 1]
        if not byte:
            return None
        if byte == b"-" and previous and text[at + 1 : at + 2] not in {b"", b"]"}:
            at += 1
            if text[at : at + 1] == b"\\":
                at += 1
            end = text[at : at + 1]
            if not end:
                return None
            if previous <= end:
                members.append(re.escape(previous) + b"-" + re.escape(end))
            previous = b""
        elif text.startswith(b"[:", at) and (named := _named(text, at)) is not None:
            name, at = named
            if name not in _CLASSES:
                return None
            members.append(_CLASSES[name])
            previous = b""
        else:
            if byte == b"\\":
                at += 1
                byte = text[at : at + 1]
                if not byte:
                    return None
            members.append(re.escape(byte))
            previous = byte
        at += 1
    inside = b"".join(members)
    if is_negated:
        expression = b"(?!/)[^" + inside + b"]" if inside else b"[^/]"
    else:
        expression = b"(?!/)[" + inside + b"]" if inside else b"(?!)."
    return expression, at + 1


def _named(text: bytes, at: int) -> tuple[bytes, int] | None:
    """The name in `[:name:]` and where its last `]` stands; None where the set is an ordinary one.

    An unclosed one gives a name that no class has.
    """
    end = text.find(b"]", at + 2)
    if end < 0:
        return b"", at
    if end - at - 3 < 0 or text[end - 1 : end] != b":":
        return None
    return text[at + 2 : end - 1], end
