"""Code and documents use the field's words in plain sentences: no pictures, no riddles."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import tokenize
from collections.abc import Iterator
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
}
# Pages show notifications by the picture of a bell.
EXCEPT = {
    "bazaar/icons.py",
    "bazaar/templates/base.html",
    "hub/web/views/people.py",
    "tests/architecture/test_words.py",
}
ICON = '{% icon "bell" %}'


def sources() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", *FOLDERS], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    suffixes = {".py", ".md", ".html", ".toml", ".sh", ".css", ".js", ""}
    return [ROOT / name for name in listed if Path(name).suffix in suffixes and name not in EXCEPT]


@pytest.mark.parametrize("word", WORDS)
def test_pictures_are_not_used(word: str) -> None:
    pattern = re.compile(rf"\b{word}\b", re.IGNORECASE)
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in sources()
        if path.is_file()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1)
        if pattern.search(line.replace(ICON, ""))
    ]
    assert found == [], f"say {WORDS[word]}"


# The product's code; the tests' docstrings finish the sentences of their names.
PRODUCT = ("bazaar", "compute_market", "foundation", "hub", "packages", "script")
# A component is not a person, and a sentence names its subject first.
PERSONS = re.compile(r"\b(he|his|him|himself|who(m)?ever|theirs)\b", re.IGNORECASE)
OPENINGS = re.compile(r"(What|Who|Whose|Whom|Where|How|Whether)\b(?!.*\?$)")
LOG_METHODS = {"debug", "info", "warning", "error", "exception", "critical"}
# Of a request: its method and path, as in the log of any web server.
ACCESS_LINE = "%s %s"
EVENT = re.compile(r"[a-z0-9_]+( [a-z_]+=\S+)*")


@cache
def product() -> dict[str, str]:
    found = {}
    for path in sources():
        name = str(path.relative_to(ROOT))
        # The one-file agent repeats modules of compute_market/runners.
        if name.startswith(PRODUCT) and path.suffix == ".py" and "/migrations/" not in name:
            found[name] = path.read_text()
    assert len(found) > 500
    return found


def docstrings(source: str) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield node.body[0].lineno, text


def comments(source: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


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
    def test_of_docstrings_and_comments_are_not_about_persons(self) -> None:
        found = [
            f"{name}:{line}: {text[:100]}"
            for name, source in product().items()
            if PERSONS.search(source)
            for read in (docstrings, comments)
            for line, text in read(source)
            if PERSONS.search(text)
        ]
        assert found == [], "name the component or the person: the caller, the worker, the user"

    def test_of_documents_are_not_about_persons(self) -> None:
        pages = [path for path in sources() if path.suffix == ".md" and not path.name.endswith(".zh.md")]
        assert len(pages) > 50
        found = [
            f"{path.relative_to(ROOT)}:{number}: {line[:100]}"
            for path in pages
            for number, line in enumerate(path.read_text().splitlines(), start=1)
            if PERSONS.search(line)
        ]
        assert found == []

    def test_of_docstrings_begin_with_their_subject(self) -> None:
        found = [
            f"{name}:{line}: {text[:100]}"
            for name, source in product().items()
            if re.search(r'"""' + OPENINGS.pattern, source)
            for line, text in docstrings(source)
            if OPENINGS.match(text)
        ]
        assert found == [], "say what it is or returns: 'The number of ...', 'True if ...'"

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
        "text",
        ["Whoever comes first.", "The thread does his own work.", "It is theirs.", "A lock of whomever."],
    )
    def test_with_persons_are_found(self, text: str) -> None:
        assert PERSONS.search(text)

    @pytest.mark.parametrize("text", ["What it does.", "Whether it runs.", "How many.", "Whose it is."])
    def test_that_hide_their_subject_are_found(self, text: str) -> None:
        assert OPENINGS.match(text)

    def test_of_other_logs_are_found(self) -> None:
        assert [text for _, text in log_texts('log.warning("It failed: %s", error)')] == ["It failed: %s"]
        assert not EVENT.fullmatch("It failed: %s")
        assert EVENT.fullmatch("request_failed path=%s error=%s")
