"""The texts that people read: all of them can be translated, and they use the words of docs/wording.md."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple

import polib
import pytest
from django import forms
from django.apps import apps
from django.template.base import Lexer, TokenType
from django.utils.functional import Promise

from foundation.errors import Refusal
from hub.audit import archiving
from tests import catalogue

# Names, units and formats that a template may write without a translation.
NAMES = frozenset("Model Bazaar UTC GPU GB CSV Xet LFS XetLFS arXiv README md dtype sha ms metrics".split())
# This page is shown when nothing else works, so it has both languages and asks no catalogue.
STATIC_PAGES = {"500.html"}
READ_ATTRIBUTES = {"title", "aria-label", "placeholder", "alt", "label", "data-label"}
UNREAD_ELEMENTS = {"script", "style", "code", "pre"}
BLOCKS_OF_TEXT = {"blocktranslate", "blocktrans"}
FORMS = ("hub.web.forms", "compute_market.web.forms")
# Names of languages in their own language, of tools and of times in force: the same for every reader.
CHOICES_OF_NAMES = {"User.language", "HardwareReport.method", "Order.time_in_force"}
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|\{\w*\}|%%")
TAG = re.compile(r"</?[a-z]\w*(?: [^>]*)?>")
HAN = "\u3400-\u4dbf\u4e00-\u9fff"


class _Texts(HTMLParser):
    """The parts of a page that a reader sees or hears: text, and the attributes that are read out."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[int, str]] = []
        self._unread: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        line = self.getpos()[0]
        self.found += [(line, value) for name, value in attrs if name in READ_ATTRIBUTES and value]
        if tag in UNREAD_ELEMENTS:
            self._unread.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._unread and self._unread[-1] == tag:
            self._unread.pop()

    def handle_data(self, data: str) -> None:
        if not self._unread:
            self.found.append((self.getpos()[0], data))


def _literal(source: str) -> str:
    """A template without its tags, variables, comments and texts to translate; lines stay where they are."""
    kept, is_translated = [], False
    for token in Lexer(source).tokenize():
        word = (token.contents.split() or [""])[0]
        if token.token_type == TokenType.BLOCK and word.removeprefix("end") in BLOCKS_OF_TEXT:
            is_translated = not word.startswith("end")
        is_kept = token.token_type == TokenType.TEXT and not is_translated
        kept.append(token.contents if is_kept else "\n" * token.contents.count("\n"))
    return "".join(kept)


def untranslated(source: str) -> Iterator[str]:
    """Yield `line: text` for each text that a template writes in one language only."""
    # A tag of more than one line is text for Django's lexer; the templates have them inside elements only.
    page = _Texts()
    page.feed(re.sub(r"\{%.*?%\}", " ", _literal(source), flags=re.DOTALL))
    for line, text in page.found:
        words = re.findall(r"[^\W\d_]{2,}", text)
        if any(word not in NAMES for word in words):
            yield f"{line}: {text.strip()}"


class TestTemplates:
    def test_write_no_text_that_cannot_be_translated(self) -> None:
        found = [
            f"{path.relative_to(catalogue.ROOT)}:{text}"
            for path in catalogue.templates()
            if path.suffix == ".html" and path.name not in STATIC_PAGES
            for text in untranslated(path.read_text())
        ]
        assert found == []

    @pytest.mark.parametrize(
        "source",
        [
            "<p>Hello there</p>",
            '<input placeholder="Your name">',
            '{% if a %}<b title="Save it">{{ a }}</b>{% endif %}',
            "{% blocktranslate %}one{% endblocktranslate %} two",
            "<p>你好</p>",
        ],
    )
    def test_that_do_are_found(self, source: str) -> None:
        assert list(untranslated(source))

    @pytest.mark.parametrize(
        "source",
        [
            '{% translate "Hello" %} {{ name }} GB',
            "{% blocktranslate trimmed %}Hello {{ name }}{% endblocktranslate %}",
            '<code>pip install</code><input placeholder="{% translate "Name" %}">',
            "{# a note #}<script>let text = 1;</script>",
        ],
    )
    def test_that_do_not_are_not(self, source: str) -> None:
        assert list(untranslated(source)) == []


def _fields() -> Iterator[tuple[str, forms.Field]]:
    for module in map(importlib.import_module, FORMS):
        for form in vars(module).values():
            if isinstance(form, type) and issubclass(form, forms.BaseForm):
                for name, field in getattr(form, "base_fields", {}).items():
                    yield f"{form.__name__}.{name}", field


def _is_message(text: object) -> bool:
    return not text or isinstance(text, Promise)


class TestCode:
    def test_gives_forms_labels_and_helps_that_can_be_translated(self) -> None:
        seen = dict(_fields())
        assert len(seen) > 60
        assert [
            n for n, field in seen.items() if not (_is_message(field.label) and _is_message(field.help_text))
        ] == []
        choices = {n: [label for _, label in getattr(field, "choices", ())] for n, field in seen.items()}
        assert [name for name, labels in choices.items() if not all(map(_is_message, labels))] == []

    def test_gives_states_and_kinds_labels_that_can_be_translated(self) -> None:
        named = {
            f"{model.__name__}.{field.name}"
            for model in apps.get_models()
            if model.__module__.startswith(catalogue.PRODUCT)
            for field in model._meta.fields
            if not all(_is_message(label) for _, label in field.choices or ())
        }
        assert named == CHOICES_OF_NAMES

    def test_refuses_in_words_that_can_be_translated(self) -> None:
        def below(error: type[Refusal]) -> Iterator[type[Refusal]]:
            for each in error.__subclasses__():
                yield each
                yield from below(each)

        # The doors for programs refuse what is malformed on their wire in English, as their clients expect.
        # Other tests define refusals of their own; the export of the audit log refuses on a terminal alone.
        refusals = [
            each
            for each in below(Refusal)
            if each.__module__.split(".")[0] in catalogue.PRODUCT
            and ".api." not in each.__module__
            and each.__module__ != archiving.__name__
        ]
        assert len(refusals) > 80
        texts = {each.__name__: vars(each).get("message", "") for each in refusals}
        # "{reason}": the reason itself is a message.
        assert [name for name, text in texts.items() if text != "{reason}" and not _is_message(text)] == []

    def test_announces_in_words_that_can_be_translated(self) -> None:
        """The messages above a page (`messages.success(request, …)`) and the errors of a form's field."""
        said = ("success", "info", "warning", "error", "add_error", "ValidationError")
        found = []
        for path in catalogue.modules():
            if "/web/" not in str(path) and "/bazaar/" not in str(path):
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                name = getattr(
                    getattr(node, "func", None), "attr", getattr(getattr(node, "func", None), "id", "")
                )
                if not isinstance(node, ast.Call) or name not in said or _is_of_the_log(node):
                    continue
                last = node.args[-1] if node.args else None
                if isinstance(last, ast.JoinedStr) or (
                    isinstance(last, ast.Constant) and isinstance(last.value, str)
                ):
                    found.append(f"{path.relative_to(catalogue.ROOT)}:{node.lineno}")
        assert found == []

    def test_refuses_for_reasons_that_can_be_translated(self) -> None:
        """Reasons of the refusals that have no other text, where pages show them. Programs alone send what is
        no choice of a form: those begin with the name of a field, or list what a field may hold.
        """
        shown = {"Invalid", "Denied", "Exhausted", "SshKeyInvalid", "NodeFieldInvalid"}
        of_programs = re.compile(
            r"[a-z]+ (is|are) |.* (is one|are some) of |There is no (repository type|gating) |A cap is from |"
            r"A token needs at least |1 to $"
        )
        found = []
        for path in catalogue.modules():
            if not re.search(r"/hub/(accounts|community|repos)/|/offers/services", str(path)):
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                if not isinstance(node, ast.Call) or getattr(node.func, "id", "") not in shown:
                    continue
                found += [
                    f"{path.relative_to(catalogue.ROOT)}:{node.lineno}: {text}"
                    for each in node.keywords
                    if each.arg == "reason"
                    and (text := _raw_text(each.value))
                    and not of_programs.match(text)
                ]
        assert found == []


def _raw_text(value: ast.expr) -> str:
    """The text, up to its first value, of a literal that is no message."""
    if isinstance(value, ast.JoinedStr):
        return _raw_text(value.values[0]) or "{}"
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else ""


def _is_of_the_log(call: ast.Call) -> bool:
    """`log.warning("event")`: an event of the log, which is the same in every language."""
    owner = getattr(call.func, "value", None)
    return isinstance(owner, ast.Name) and "log" in owner.id.lower()


def _translations(entry: polib.POEntry) -> list[str]:
    return [*entry.msgstr_plural.values()] if entry.msgid_plural else [entry.msgstr]


class TestTheCatalogue:
    def test_holds_every_message_of_the_product_and_no_other(self) -> None:
        wanted = {message.key for message in catalogue.asked()}
        assert len(wanted) > 1000
        assert wanted == set(catalogue.catalogue())

    def test_translates_each_with_the_same_placeholders_and_all_forms(self) -> None:
        plurals = {message.key: message.plural for message in catalogue.asked() if message.plural}
        for key, entry in catalogue.catalogue().items():
            assert entry.msgid_plural == plurals.get(key, ""), key
            # Chinese has one form for every number.
            assert not entry.msgid_plural or list(entry.msgstr_plural) == [0], key
            for text in _translations(entry):
                assert text, key
                for source in filter(None, (entry.msgid, entry.msgid_plural)):
                    assert sorted(set(PLACEHOLDER.findall(text))) == sorted(
                        set(PLACEHOLDER.findall(source))
                    ), key
                assert sorted(TAG.findall(text)) == sorted(TAG.findall(entry.msgid)), key

    def test_is_written_by_one_rule_of_punctuation_and_blanks(self) -> None:
        assert [
            text for entry in catalogue.catalogue().values() for text in _translations(entry) if _slips(text)
        ] == []

    @pytest.mark.parametrize(
        "text",
        [
            "使用GPU",
            "8张卡",
            "租用 GPU卡",
            "您好,请登录",
            "共 {n}个",
            "名称“ {name}”",
            "请登录 。",
            "（ UTC）",
            "等等...",
        ],
    )
    def test_that_is_not_is_found(self, text: str) -> None:
        assert _slips(text)

    @pytest.mark.parametrize(
        "text",
        [
            "使用 GPU",
            "8 张卡，共 {n} 个。",
            "名称“{name}”已被占用。",
            "{kind}仓库",
            "<b>%(n)s</b> 点数",
            "自（UTC）",
        ],
    )
    def test_that_is_is_not(self, text: str) -> None:
        assert not _slips(text)


# Placeholders that hold a Chinese word in a Chinese sentence, so no blank stands beside them.
WORDS = re.compile(r"\{(state|status|kind|what|old|new|page|type|reason)\}|%\((wait|state|status)\)s")


def _slips(text: str) -> bool:
    """Return whether a Chinese text breaks the rules of docs/wording.md on punctuation and blanks."""
    plain = PLACEHOLDER.sub("0", WORDS.sub("", TAG.sub("", text)))
    return any(
        re.search(pattern, plain)
        for pattern in (
            rf"[{HAN}][A-Za-z0-9]|[A-Za-z0-9%][{HAN}]",
            rf"[{HAN}][,;:!?()]|[,;:!?()][{HAN}]|\.\.\.",
            r"[，。：；？！（）“”、] | [，。：；？！）”、（]",
        )
    )


class Term(NamedTuple):
    """A row of the table in docs/wording.md."""

    english: list[str]
    chinese: list[str]
    not_english: list[str]
    not_chinese: list[str]


@cache
def _terms() -> tuple[Term, ...]:
    text = (Path(catalogue.ROOT) / "docs" / "wording.md").read_text()
    table = text.partition("## Terms")[2].partition("\n## ")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in table.splitlines()
        if line[:1] == "|"
    ]
    columns = [
        [[word.strip() for word in cell.split(",") if word.strip()] for cell in row] for row in rows[2:]
    ]
    return tuple(Term(row[0], row[1], row[3], row[4]) for row in columns)


def _has(word: str, text: str) -> bool:
    return bool(
        re.search(rf"(?<![\w-]){re.escape(word)}s?(?![\w-])", PLACEHOLDER.sub("0", text), re.IGNORECASE)
    )


class TestTerms:
    def test_are_used_in_both_languages(self) -> None:
        entries = catalogue.catalogue().values()
        for term in _terms():
            users = [entry for entry in entries if any(_has(word, entry.msgid) for word in term.english)]
            assert users, f"no text uses {term.english}"
            for entry in users:
                for text in _translations(entry):
                    assert any(word in text for word in term.chinese), (term.english, entry.msgid, text)

    def test_are_the_only_words_for_their_things(self) -> None:
        assert len(_terms()) > 40
        for entry in catalogue.catalogue().values():
            for term in _terms():
                for word in term.not_english:
                    assert not _has(word, entry.msgid), (word, entry.msgid)
                for word in term.not_chinese:
                    assert not any(word in text for text in _translations(entry)), (word, entry.msgid)

    def test_with_several_senses_are_translated_by_their_sense(self) -> None:
        text = (Path(catalogue.ROOT) / "docs" / "wording.md").read_text()
        table = text.partition("## One word with several senses")[2].partition("\n## ")[0]
        rows = [
            [cell.strip() for cell in line.strip("|").split("|")]
            for line in table.splitlines()
            if line[:1] == "|"
        ]
        assert len(rows) > 5
        entries = {(context, text.lower()): entry for (context, text), entry in catalogue.catalogue().items()}
        for word, contexts, chinese in rows[2:]:
            for context in contexts.replace("`", "").split(", "):
                assert entries[context, word.lower()].msgstr == chinese, (context, word)
