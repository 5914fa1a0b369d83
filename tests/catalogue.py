"""The messages of the product: what templates and code ask to be translated, and what the catalogue says.

Templates are read by Django's own lexer, modules by their syntax tree, so line breaks do not matter.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import polib
from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parents[1]
CATALOGUE = ROOT / "bazaar" / "locale" / "zh_Hans" / "LC_MESSAGES" / "django.po"
PRODUCT = ("bazaar", "compute_market", "foundation", "hub")

# The arguments of each call: c = context, m = message, p = plural.
CALLS = {"gettext": "m", "ngettext": "mp", "pgettext": "cm", "npgettext": "cmp"}
SUFFIXES = ("_lazy", "_noop")
LITERAL = r"""u(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
TEMPLATE_CALL = re.compile(rf"\b(n?p?gettext)\(({LITERAL}(?:, ?{LITERAL})*)")


@dataclass(frozen=True)
class Message:
    """One message in one place: the text, its plural and its context, empty where there is none."""

    path: str
    line: int
    text: str
    plural: str = ""
    context: str = ""

    @property
    def key(self) -> tuple[str, str]:
        return self.context, self.text


def _message(path: str, line: int, shape: str, words: list[str]) -> Message:
    said = dict(zip(shape, words, strict=False))
    return Message(path, line, said["m"], said.get("p", ""), said.get("c", ""))


def templates() -> list[Path]:
    return sorted(
        path
        for house in PRODUCT
        for path in (ROOT / house).rglob("templates/**/*")
        if path.suffix in {".html", ".txt", ".js"}
    )


def modules() -> list[Path]:
    return sorted(path for house in PRODUCT for path in (ROOT / house).rglob("*.py"))


def of_template(path: Path) -> Iterator[Message]:
    source = templatize(path.read_text(), origin=str(path))
    for found in TEMPLATE_CALL.finditer(source):
        shape = CALLS[found.group(1)]
        words = list(ast.literal_eval(f"({found.group(2)},)"))
        line = source.count("\n", 0, found.start()) + 1
        yield _message(str(path.relative_to(ROOT)), line, shape, words)


def _names(tree: ast.Module) -> dict[str, str]:
    """The names by which a module calls gettext's functions: `_` → "gettext"."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "django.utils.translation":
            for alias in node.names:
                base = alias.name
                for suffix in SUFFIXES:
                    base = base.removesuffix(suffix)
                if base in CALLS:
                    names[alias.asname or alias.name] = base
    return names


def of_module(path: Path) -> Iterator[Message]:
    text = path.read_text()
    if "django.utils.translation" not in text:
        return
    tree = ast.parse(text)
    names = _names(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
            words = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
            shape = CALLS[names[node.func.id]]
            if len(words) >= len(shape):
                yield _message(str(path.relative_to(ROOT)), node.lineno, shape, words)


@cache
def asked() -> tuple[Message, ...]:
    """Every message that a template or a module of the product asks for."""
    found = [message for path in templates() for message in of_template(path)]
    found += [message for path in modules() for message in of_module(path)]
    return tuple(found)


@cache
def catalogue() -> dict[tuple[str, str], polib.POEntry]:
    """The entries of the Chinese catalogue by context and message."""
    return {(entry.msgctxt or "", entry.msgid): entry for entry in polib.pofile(str(CATALOGUE))}
