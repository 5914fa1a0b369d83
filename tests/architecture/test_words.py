"""Code and documents use the field's words in plain sentences: no pictures, no riddles."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import tokenize
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = (
    "bazaar", "compute_market", "foundation", "hub", "packages", "script", "tests", "docs", "changes",
    "README.md", "CONTRIBUTING.md", "SECURITY.md", "pyproject.toml",
)  # fmt: skip
# The word, and what is said instead.
WORDS = {
    r"(door)?bells?": "a task, a wake-up, an event",
    r"rung": "sent",
    r"shel(f|ves)": "shard engine",
    r"purses?": "account",
    r"tall(y|ies)": "order state",
    r"gatherings?": "group commit",
    r"roofs?": "bazaar",
}
# Pages show notifications by the picture of a bell.
EXCEPT = {
    "bazaar/icons.py",
    "bazaar/templates/base.html",
    "hub/web/views/people.py",
    "tests/architecture/test_words.py",
}
ICON = '{% icon "bell" %}'
# The places between the words of an identifier.
WITHIN = re.compile(r"_+|(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def sources() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", *FOLDERS], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    suffixes = {".py", ".md", ".html", ".toml", ".sh", ".css", ".js", ""}
    return [ROOT / name for name in listed if Path(name).suffix in suffixes and name not in EXCEPT]


def split(line: str) -> str:
    """The line with the words of its identifiers apart: `lost_bell` becomes `lost bell`."""
    return WITHIN.sub(" ", line)


@pytest.mark.parametrize("word", WORDS)
def test_pictures_are_not_used(word: str) -> None:
    pattern = re.compile(rf"\b{word}\b", re.IGNORECASE)
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in sources()
        if path.is_file()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1)
        if pattern.search(split(line.replace(ICON, "")))
    ]
    assert found == [], f"say {WORDS[word]}"


def test_pictures_within_identifiers_are_found() -> None:
    assert split("PURSE_MICROS test_lost_bell LostBell HTTPBell bells2Ring") == (
        "PURSE MICROS test lost bell Lost Bell HTTP Bell bells2 Ring"
    )


PRODUCT = ("bazaar", "compute_market", "foundation", "hub", "packages", "script")
# `When` may begin a clause, which ends at a comma: `When it ends, ...`.
SUBJECTLESS = (
    "What|Whatever|Who|Whoever|Whose|Whom|Where|How|Whether|Which|Why|Nothing but"
    r"|(?:By|For|From|Of) (?:what|which|whom|whose)|When(?![^.:;?]*,)"
)
FAULTS = {
    # A component is not a person.
    "a person": re.compile(r"\b(he|his|him|himself|who(m)?ever|theirs)\b", re.IGNORECASE),
    # A sentence names its subject first. Questions are well.
    "a hidden subject": re.compile(
        rf"(?:^|[.;:!?)] |^[-*] |^# \d{{4}}[.:] )\**(?:{SUBJECTLESS})\b(?![^.?]*\?)", re.MULTILINE
    ),
    "a phrase": re.compile(
        r"\b((is|are|was|were|be|been|being) told|nothing but|(its|their) own accord|by and by)\b",
        re.IGNORECASE,
    ),
}
# Finds every file in which a sentence of a docstring or comment may begin without a subject.
MAY_OPEN = re.compile(rf"(?:\"|#|[.;:!?)]|\n)\s*\**(?:{SUBJECTLESS})\b")
# Names of tests follow the same rules: `TestWhoMay`, `test_what_is_left_ends`, `test_is_told_to_owners`.
NAMES = re.compile(
    r"^ *def test_(?:what|whatever|who|whoever|whose|whom|how|whether)_\w*"
    r"|^ *class Test(?:What|Who|Whether)(?=[A-Z])\w*"
    r"|^ *def test_\w*(?:(?:is|are|was|were|be|not)_told|whoever|_his_|_theirs)\w*",
    re.MULTILINE,
)
LOG_METHODS = {"debug", "info", "warning", "error", "exception", "critical"}
# Of a request: its method and path, as in the log of any web server.
ACCESS_LINE = "%s %s"
EVENT = re.compile(r"[a-z0-9_]+( [a-z_]+=\S+)*")


@cache
def modules() -> dict[str, str]:
    """The source of each module of the product and of the tests, by name."""
    found = {
        str(path.relative_to(ROOT)): path.read_text()
        for path in sources()
        if path.suffix == ".py" and path.is_file() and "migrations" not in path.parts
    }
    assert len(found) > 1000
    return found


def product() -> dict[str, str]:
    return {name: source for name, source in modules().items() if name.startswith(PRODUCT)}


def docstrings(source: str) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield node.body[0].lineno, text


def comments(source: str) -> Iterator[tuple[int, str]]:
    """(first line, text) of each block of comments in consecutive lines."""
    block, begun, last = "", 0, -1
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            line, text = token.start[0], token.string.lstrip("#:").strip()
            if line != last + 1 and block:
                yield begun, block
                block = ""
            block, begun, last = (f"{block} {text}", begun, line) if block else (text, line, line)
    if block:
        yield begun, block


def paragraphs(text: str) -> str:
    """The text with one line for each paragraph, item of a list and row of a table; without code."""
    prose = re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"(?<!\n)\n[ \t]*(?![ \t\n]|[-*|#] ?|\d+\. )", " ", prose)


def faults(text: str, kinds: Collection[str] = FAULTS) -> list[str]:
    """The faulty places of a text, each with its surroundings."""
    plain = paragraphs(text)
    return [
        f"{kind}: {plain[max(0, match.start() - 20) : match.end() + 60]!r}"
        for kind in kinds
        for match in FAULTS[kind].finditer(plain)
    ]


def log_texts(source: str) -> Iterator[tuple[int, str]]:
    """The first argument of each call such as `log.warning("...", ...)`."""
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in LOG_METHODS
            and re.fullmatch(r"_?(log|logger|LOG)", ast.unparse(node.func.value))
            and node.args
            and isinstance(node.args[0], ast.Constant)
            and isinstance(node.args[0].value, str)
        ):
            yield node.lineno, node.args[0].value


class TestSentences:
    def test_of_docstrings_and_comments_are_plain(self) -> None:
        found = [
            f"{name}:{line}: {fault}"
            for name, source in modules().items()
            if name not in EXCEPT
            if MAY_OPEN.search(source)
            or FAULTS["a person"].search(source)
            or FAULTS["a phrase"].search(source)
            for read in (docstrings, comments)
            for line, text in read(source)
            for fault in faults(text)
        ]
        assert found == [], "name the subject first: 'The number of ...', 'True if ...', 'The caller ...'"

    def test_that_tests_are_named_by_are_plain(self) -> None:
        found = [
            f"{name}: {match.group()}"
            for name, source in modules().items()
            if name.startswith(("tests", "packages"))
            for match in NAMES.finditer(source)
        ]
        assert found == [], "name the thing first: test_refunds_can_be_spent_again"

    def test_of_documents_are_plain(self) -> None:
        pages = [path for path in sources() if path.suffix == ".md" and not path.name.endswith(".zh.md")]
        assert len(pages) > 50
        found = [f"{path.relative_to(ROOT)}: {fault}" for path in pages for fault in faults(path.read_text())]
        assert found == [], "name the subject first: 'The client ...', 'A request that ...'"

    def test_of_logs_are_events_with_fields(self) -> None:
        texts = [
            (name, line, text)
            for name, source in product().items()
            if "log" in source
            for line, text in log_texts(source)
        ]
        assert len(texts) > 15, "the calls are not found any more"
        odd = [item for item in texts if item[2] != ACCESS_LINE and not EVENT.fullmatch(item[2])]
        assert odd == [], "say event_name key=%s"

    @pytest.mark.parametrize(
        ("kind", "text"),
        [
            ("a person", "A lock of whomever."),
            ("a person", "The thread does his own work."),
            ("a person", "It is theirs."),
            ("a hidden subject", "What it does."),
            ("a hidden subject", "It ends. Where nothing is left, it waits."),
            ("a hidden subject", "It ends.\n    Whether it waits is open."),
            ("a hidden subject", "One.\n\nWho asks, waits."),
            ("a hidden subject", "# 0063. How downloads are counted"),
            ("a hidden subject", "- one\n- **What** differs"),
            ("a hidden subject", "Which part of a list."),
            ("a hidden subject", "By which names it is called."),
            ("a hidden subject", "It ends. Why it ends is noted."),
            ("a hidden subject", "When a process began."),
            ("a phrase", "The client is\ntold of it."),
            ("a phrase", "It holds nothing but rows."),
        ],
    )
    def test_with_faults_are_found(self, kind: str, text: str) -> None:
        assert faults(text, [kind])

    @pytest.mark.parametrize(
        "text",
        [
            "What is it? A hub.",
            "When it ends, it says so.",
            "It says how many.",
            "## What it does",
            "```\nWhat a code\n```",
        ],
    )
    def test_without_faults_are_taken(self, text: str) -> None:
        assert faults(text) == []

    @pytest.mark.parametrize(
        "text", ["def test_what_is_left_ends(", "    def test_is_told_to_owners(", "class TestWhoMay:"]
    )
    def test_in_names_are_found(self, text: str) -> None:
        assert NAMES.search(text)

    def test_of_comments_are_read_across_lines(self) -> None:
        assert list(comments("a = 1  # One\n# two.\n\nb = 2\n# Three.\n")) == [(1, "One two."), (5, "Three.")]

    def test_of_other_logs_are_found(self) -> None:
        assert [text for _, text in log_texts('log.warning("It failed: %s", error)')] == ["It failed: %s"]
        assert not EVENT.fullmatch("It failed: %s")
        assert EVENT.fullmatch("request_failed path=%s error=%s")
