"""Nothing is kept that nothing names: functions, classes, constants, templates, styles."""

from __future__ import annotations

import ast
import re
import subprocess
import textwrap
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.architecture.sources import HOUSES, ROOT, last_name, modules

WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
CODE = {".py", ".html", ".js", ".toml", ".txt", ".css", ""}
# Frameworks find classes of these kinds, and these methods of classes without bases.
FOUND_BY_KIND = {
    *("AppConfig", "Protocol"),
    *("OpenApiAuthenticationExtension", "OpenApiSerializerExtension", "OpenApiViewExtension"),
}
HOOKS = {"on_url", "on_header", "process_exception", "seekable"}


@cache
def texts() -> dict[Path, str]:
    """The text of each file of code that git knows, and of those that are new."""
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    paths = [ROOT / name for name in names.split("\0") if name and "/locale/" not in name]
    return {
        path: path.read_text(errors="replace") for path in paths if path.suffix in CODE and path.is_file()
    }


@cache
def word_counts() -> Counter[str]:
    """The words of the product, its packages and its scripts; a test's use of a name is no use."""
    return Counter(
        word
        for path, text in texts().items()
        if not path.is_relative_to(ROOT / "tests")
        for word in WORD.findall(text)
    )


def is_named_elsewhere(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> bool:
    """True if a decorator passes it on, or Python or a framework finds it by its name or base class."""
    if isinstance(node, ast.ClassDef) and FOUND_BY_KIND & set(map(last_name, node.bases)):
        return True
    return bool(node.decorator_list) or node.name.startswith("__") or node.name in HOOKS


def defined(statements: list[ast.stmt]) -> Iterator[str]:
    """Functions, classes and constants; and methods of classes without bases, which nobody else calls."""
    for node in statements:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if not is_named_elsewhere(node):
                yield node.name
            if isinstance(node, ast.ClassDef) and not node.bases:
                methods = (ast.FunctionDef, ast.AsyncFunctionDef)
                yield from defined([each for each in node.body if isinstance(each, methods)])
        elif isinstance(node, ast.Assign):
            names = (target.id for target in node.targets if isinstance(target, ast.Name))
            yield from (name for name in names if name.isupper())


class TestNames:
    def test_are_all_used(self) -> None:
        unused = [
            f"{path}: {name}"
            for path, tree in modules(*HOUSES)
            if not path.startswith("bazaar/settings/")
            for name in defined(tree.body)
            if word_counts()[name] == 1
        ]
        assert unused == []

    def test_used_by_tests_alone_count_as_unused(self) -> None:
        assert word_counts()["set_cancellation_term"] == 0
        assert any("set_cancellation_term" in text for text in texts().values())

    def test_are_seen_when_they_are_not(self) -> None:
        text = """
            LIMIT = 1
            def unused(): ...
            class Alone:
                def unused_too(self): ...
                def __len__(self): ...
            class Command(BaseCommand):
                def add_arguments(self, parser): ...
            @receiver(signal)
            def heard(): ...
        """
        tree = ast.parse(textwrap.dedent(text))
        assert set(defined(tree.body)) == {"LIMIT", "unused", "Alone", "unused_too", "Command"}


def only_passes_on(tree: ast.Module) -> bool:
    """True if a module has only imports and `__all__`."""
    own = [
        statement
        for statement in tree.body
        if not isinstance(statement, ast.Import | ast.ImportFrom)
        and not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
        and not (isinstance(statement, ast.Assign) and last_name(statement.targets[0]) == "__all__")
    ]
    return not own and any(isinstance(statement, ast.ImportFrom) for statement in tree.body)


class TestModules:
    def test_have_something_of_their_own(self) -> None:
        """A name is imported from where it is made; the front of a package and a house's interface pass on.

        Django finds settings by their path.
        """
        passing = [
            path
            for path, tree in modules(*HOUSES)
            if not path.endswith(("/__init__.py", "/interface.py"))
            and not path.startswith("bazaar/settings/")
            if only_passes_on(tree)
        ]
        assert passing == []


class TestTemplates:
    def test_are_all_rendered_or_included(self) -> None:
        everything = "\n".join(texts().values())
        unused = []
        for path in texts():
            if path.suffix == ".html" and "templates" in path.parts and "tests" not in path.parts:
                name = str(path).rpartition("/templates/")[2]
                # Django renders `500.html` itself.
                if name not in everything and name != "500.html":
                    unused.append(name)
        assert unused == []


class TestStyles:
    def test_classes_are_all_used(self) -> None:
        """A name that is put together in a template counts by the piece that is written there."""
        sheet = (ROOT / "bazaar/static/bazaar/site.css").read_text()
        rules = re.sub(r"/\*.*?\*/|\{[^{}]*\}", " ", sheet, flags=re.DOTALL)
        classes = set(re.findall(r"\.([a-z][\w-]*)", rules))
        pages = "\n".join(text for path, text in texts().items() if path.suffix in {".html", ".py", ".js"})
        written = set(re.findall(r"[a-z][\w-]*", pages))
        assert sorted(classes - written) == []
