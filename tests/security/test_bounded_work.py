"""The cost of any input from strangers grows with its length: one row for each parser and way to abuse it.

Markdown and code are in test_rendering.py, bodies in test_bodies.py, shards in tests/hub/xet/test_budget.py.
"""

from __future__ import annotations

import contextlib
import io
import json
import struct
import tracemalloc
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from compute_market.api.products import COMPACT
from foundation.errors import Refusal
from hub.api.byte_serving import parse_range
from hub.api.json import MalformedBody
from hub.api.ndjson import NdjsonReader
from hub.community.mentions import names_in
from hub.gitstore.paths import require_path, require_ref_name
from hub.gitstore.wildmatch import PATTERN_STEPS, Budget, TooManyPatterns
from hub.gitstore.wildmatch import parse as parse_pattern
from hub.revisions import attributes
from hub.revisions.facts import front_matter, gguf, safetensors
from hub.revisions.facts.card import prose, validate_card
from hub.revisions.facts.tags import ARXIV, DOI
from hub.revisions.ignoring import Ignoring
from hub.search import tokens
from hub.web.rendering import diffs, files
from tests.security.growth import assert_linear, cost
from tests.security.hostile_text import Maker, pair, repeat


class Row(NamedTuple):
    """A parser, hostile input for it by length, and the greatest length that reaches it."""

    parse: Callable[[Any], object]
    maker: Callable[[int], Any]
    chars_max: int = 400_000


def quietly(parse: Callable[[Any], object]) -> Callable[[Any], None]:
    """A refusal is a good answer too."""

    def run(given: Any) -> None:
        with contextlib.suppress(Refusal):
            parse(given)

    return run


def encoded(maker: Maker) -> Callable[[int], bytes]:
    return lambda chars: maker(chars).encode()


def view(name: str) -> Callable[[bytes], object]:
    return lambda data: files.view_of(name, lambda start, length: data[start : start + length])


def ndjson(data: bytes) -> None:
    for line in NdjsonReader(io.BytesIO(data).read):
        for _ in line.content or ():
            pass


def header(name: str, body: bytes) -> bytes:
    return struct.pack("<Q", len(body)) + body if name == "safetensors" else body


def gguf_strings(chars: int) -> bytes:
    """A vocabulary of empty words."""
    count = chars // 8
    return (
        b"GGUF"
        + struct.pack("<IQQ", 3, 0, 1)
        + struct.pack("<Q", 1)
        + b"x"
        + struct.pack("<IIQ", 9, 8, count)
    ) + bytes(8 * count)


def ranges(data: bytes) -> Callable[[int, int], bytes]:
    return lambda start, length: data[start : start + length]


def card(maker: Maker) -> Maker:
    return lambda chars: f"---\n{maker(chars)}\n---\n# Text\n"


def peak_bytes(parse: Callable[[bytes], object], given: bytes) -> int:
    """The most memory that a call holds at one time."""
    tracemalloc.start()
    try:
        parse(given)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


ROWS: dict[str, Row] = {
    # Files that git reads.
    "attributes: many lines": Row(attributes.parse, encoded(repeat("*a*b filter=lfs\n")), 200_000),
    "attributes: quotes": Row(attributes.parse, encoded(repeat('"\\"a\n')), 200_000),
    "attributes: classes": Row(attributes.parse, encoded(repeat("[[:alpha:][:x *\n")), 200_000),
    "ignore: many lines": Row(lambda text: Ignoring(text, Budget(10**12)), repeat("**/*a*/\n"), 200_000),
    "path: segments": Row(quietly(require_path), repeat("a/"), 100_000),
    "path: spaces": Row(quietly(require_path), lambda chars: "git~1" + " " * chars + "x"),
    "ref: dots": Row(quietly(lambda name: require_ref_name(name, what="branch")), repeat("a.")),
    # Cards.
    "front matter: open": Row(front_matter.split, repeat("---\n")),
    "front matter: spaces": Row(front_matter.split, lambda chars: "---\n" + "---   \t" * (chars // 7)),
    "front matter: line ends": Row(front_matter.split, lambda chars: "\n" * chars + "--"),
    "card: list": Row(front_matter.read, card(repeat("- a\n"))),
    "card: flow": Row(front_matter.read, card(lambda chars: "a: [" + "a," * (chars // 2) + "]")),
    "card: nested": Row(front_matter.read, card(pair("[", "]"))),
    "card: dashes": Row(front_matter.read, card(repeat("- "))),
    "card: spaces": Row(front_matter.read, card(lambda chars: "- " + " " * chars + "a")),
    "card: colons": Row(front_matter.read, card(repeat("a: "))),
    "card: quotes": Row(front_matter.read, card(repeat("'a"))),
    "card: anchors": Row(front_matter.read, card(repeat("- &a b\n"))),
    "card: tags": Row(front_matter.read, card(repeat("- !a b\n"))),
    "card: merges": Row(front_matter.read, card(repeat("<<: {a: b}\n"))),
    "card: digits": Row(front_matter.read, card(lambda chars: "a: " + "1" * chars)),
    "card: long floats": Row(front_matter.read, card(lambda chars: "a: " + "1." + "1" * chars + "x")),
    "card: languages": Row(
        lambda text: validate_card(text, "model"), card(lambda chars: "language:\n" + "- aa-" * (chars // 5))
    ),
    "prose: comments": Row(prose, repeat("<!--")),
    "prose: fences": Row(prose, repeat("```a")),
    "prose: links": Row(prose, repeat("[a](")),
    "prose: tables": Row(prose, repeat("|a\n")),
    "prose: rules": Row(prose, lambda chars: "-=" * (chars // 2) + "x"),
    "papers": Row(lambda text: list(ARXIV.finditer(text)), repeat("arxiv.org/abs/1234.")),
    "identifiers": Row(lambda text: list(DOI.finditer(text)), repeat("10.1234")),
    # Comments and searches.
    "mentions: signs": Row(names_in, repeat("@")),
    "mentions: dots": Row(names_in, repeat("@a" + "." * 90)),
    "mentions: fences": Row(names_in, repeat("```a~~~")),
    "mentions: ticks": Row(names_in, repeat("`a")),
    "search: letters": Row(tokens.query_terms, repeat("a")),
    "search: digits": Row(tokens.query_terms, repeat("a1")),
    "search: words": Row(tokens.query_terms, repeat("a ")),
    "search: Chinese": Row(tokens.query_terms, repeat("模型")),
    "search: parts": Row(lambda text: tokens.split_search([text]), repeat("a ")),
    "index: words": Row(tokens.words, repeat("ab1 模型 ")),
    # Headers and queries.
    "range: spaces": Row(lambda text: parse_range(text, 10), lambda chars: "bytes=" + " " * chars + "x"),
    "range: digits": Row(lambda text: parse_range(text, 10), lambda chars: "bytes=" + "1" * chars + "x"),
    "market: digits": Row(COMPACT.fullmatch, lambda chars: "1" * chars + "!", 100_000),
    "market: gigabytes": Row(COMPACT.fullmatch, lambda chars: "1GB" * (chars // 3) + "!", 100_000),
    # Files that pages show.
    "table: commas": Row(view("a.csv"), encoded(repeat("a,"))),
    "table: quotes": Row(view("a.csv"), encoded(repeat('"a""')), 120_000),
    "table: lines": Row(view("a.csv"), encoded(repeat("a,b\n"))),
    "records: lines": Row(view("a.jsonl"), encoded(repeat('{"a":1}\n'))),
    "records: keys": Row(
        view("a.jsonl"), lambda chars: json.dumps({f"k{n}": n for n in range(chars // 12)}).encode()
    ),
    "records: nested": Row(view("a.jsonl"), encoded(pair('{"a":', "}"))),
    "notebook: nested": Row(view("a.ipynb"), encoded(pair("[", "]"))),
    "notebook: cells": Row(
        view("a.ipynb"), lambda chars: json.dumps({"cells": [{"source": ""}] * (chars // 16)}).encode()
    ),
    "tensors: many": Row(
        safetensors.parse_tensors,
        lambda chars: json.dumps(
            {f"t{n}": {"dtype": "F32", "shape": [1] * 16} for n in range(chars // 90)}
        ).encode(),
    ),
    "gguf: words": Row(lambda data: gguf.read(ranges(data)), gguf_strings, 2_000_000),
    "diff: lines": Row(diffs.rows, lambda chars: "@@ -1 +1 @@\n" + "+a\n" * (chars // 3)),
    "diff: hunks": Row(diffs.rows, repeat("@@ -1,1 +1,1 @@\n")),
    "texts: other lines": Row(
        lambda lines: diffs.between("\n".join(lines), "\n".join(reversed(lines))),
        lambda chars: [f"{number}" for number in range(chars // 6)],
        130_000,
    ),
    # Bodies.
    "ndjson: lines": Row(quietly(ndjson), encoded(repeat('{"key":"a","value":{}}\n'))),
    "ndjson: contents": Row(
        quietly(ndjson), encoded(repeat('{"key":"file","value":{"path":"a","content":""}}\n'))
    ),
    "ndjson: content last": Row(
        quietly(ndjson), encoded(repeat('{"value":{"content":"","path":"a"},"key":"file"}\n')), 200_000
    ),
    "ndjson: one line": Row(quietly(ndjson), encoded(repeat(" ")), 1_000_000),
    "ndjson: content without colon": Row(quietly(ndjson), encoded(repeat('"content"  ')), 1_000_000),
}


@pytest.mark.growth
class TestGrowth:
    @pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
    def test_is_at_most_that_of_the_input(self, row: Row) -> None:
        assert_linear(row.parse, row.maker, chars_max=row.chars_max)


HOSTILE_PATTERNS = [b"**/", b"*a", b"**/a*/", b"[ab]*", b"?*", b"*?a", b"**/**/"]


@pytest.mark.growth
class TestPatterns:
    @pytest.mark.parametrize("piece", HOSTILE_PATTERNS)
    def test_are_matched_without_backtracking(self, piece: bytes) -> None:
        """A pattern of 2,000 bytes against paths of 2,000: milliseconds; backtracking never ends."""
        pattern = parse_pattern(piece * (2000 // len(piece)) + b"b!")
        assert pattern is not None
        for path in (b"a" * 2000, b"a/" * 1000 + b"a", b"ab" * 1000):
            assert not pattern.matches(path)
            assert cost(pattern.matches, path) < 1.0

    def test_cost_what_their_width_says(self) -> None:
        """The work that is counted bounds the work that is done."""
        pattern = parse_pattern(b"*" + b"[ab]" * 200 + b"c*")
        assert pattern is not None
        path = b"ab" * 2000
        assert cost(pattern.matches, path) < len(path) * pattern.width * 100e-9

    def test_have_one_budget_for_a_request(self) -> None:
        rules = attributes.parse(b"*a*a*b filter=lfs\n" * 1000)
        budget = Budget(10 * 1000 * PATTERN_STEPS)
        with pytest.raises(TooManyPatterns):
            for number in range(100):
                attributes.is_lfs_by(rules, f"a{number}", budget)


class TestMemory:
    def test_of_brackets_in_a_header_grows_with_its_length(self) -> None:
        """Counted in bytes: how long so many small objects take depends on what else is in the heap."""
        small, large = (
            peak_bytes(safetensors.parse_tensors, b'{"a":[' + b"[]," * count + b"0]}")
            for count in (10_000, 80_000)
        )
        assert 7 * small < large < 9 * small

    def test_is_not_taken_for_a_header_of_too_many_brackets(self) -> None:
        header = b'{"a":[' + b"[]," * (safetensors.ELEMENTS_MAX // 2 + 1) + b"0]}"
        assert peak_bytes(safetensors.parse_tensors, header) < len(header)


class TestRefusals:
    def test_metadata_of_too_many_values_is_not_parsed(self) -> None:
        text = "---\na: [" + "b," * 200_000 + "]\n---\n"
        assert "more than" in front_matter.read(text).error

    def test_ndjson_of_too_many_lines_ends(self) -> None:
        with pytest.raises(MalformedBody):
            ndjson(b'{"key":"a","value":{}}\n' * 100_001)
