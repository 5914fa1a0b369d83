"""No namespace may take a name that the mount table uses."""

import re
from collections.abc import Iterator

from django.urls import URLPattern, URLResolver, get_resolver

from hub.accounts.names import RESERVED_NAMES

WORD = re.compile(r"[A-Za-z0-9._-]+")


def literal_prefixes(patterns: list[URLPattern | URLResolver], before: str = "") -> Iterator[str]:
    """The text of every address up to its first variable."""
    for pattern in patterns:
        text = before + str(pattern.pattern).lstrip("^")
        fixed = re.split(r"[<(\\\[]", text, maxsplit=1)[0]
        if fixed != text or isinstance(pattern, URLPattern):
            yield fixed if fixed != text else text.rstrip("$")
        else:
            yield from literal_prefixes(pattern.url_patterns, text)


def first_segments() -> set[str]:
    """First segments that some address spells out. One that a variable continues is not one."""
    found = set()
    for prefix in literal_prefixes(get_resolver().url_patterns):
        segment, slash, _ = prefix.lstrip("/").partition("/")
        if WORD.fullmatch(segment) and (slash or prefix == segment):
            found.add(segment.lower())
    return found


class TestReservedNames:
    def test_cover_every_first_segment_of_the_urlconf(self) -> None:
        assert first_segments() - RESERVED_NAMES == set()

    def test_the_walk_finds_the_mounts(self) -> None:
        assert {"admin", "healthz", "metrics"} <= first_segments()
