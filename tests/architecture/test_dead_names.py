"""Nothing is kept that nothing names: functions, classes, constants, templates, styles."""

from __future__ import annotations

import ast
import re
import subprocess
import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

from tests.architecture.sources import HOUSES, ROOT, last_name, modules

WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
CODE = {".py", ".html", ".js", ".toml", ".txt", ".css", ""}
# A text of this length or more is prose or SQL, and names nothing of Python.
TEXT_MAX = 200
# Decorators that pass a name on: to a signal, a registry, Celery or Django's administration.
PASSING = {"receiver", "register", "connect"}
# Frameworks find classes by these bases.
FOUND_BY_BASE = {
    *("AppConfig", "Protocol"),
    *("OpenApiAuthenticationExtension", "OpenApiSerializerExtension", "OpenApiViewExtension"),
}
# Names that frameworks call on classes that have no base: parsers, middleware, files, URL converters.
HOOKS = {"on_url", "on_header", "process_exception", "seekable", "to_python", "to_url"}
# Names that libgit2 calls on a source of objects.
HOOKS |= {
    f"{name}_cb" for name in ("read", "read_header", "read_prefix", "exists", "exists_prefix", "refresh")
}
# Names that are put together: Django asks forms for `clean_FIELD`, the command `backup` itself for `_VERB`.
PUT_TOGETHER = re.compile(r"clean_\w+|_create|_restore")
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@cache
def texts() -> dict[Path, str]:
    """The text of each file of code that git knows, and of those that are new."""
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    paths = [ROOT / name for name in names.split("\0") if name and "/locale/" not in name]
    return {
        path: path.read_text(errors="replace") for path in paths if path.suffix in CODE and path.is_file()
    }


def docstrings(tree: ast.AST) -> set[int]:
    """The ids of the nodes that are docstrings."""
    kinds = (ast.Module, ast.ClassDef, *FUNCTIONS)
    return {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, kinds) and node.body and isinstance(node.body[0], ast.Expr)
    }


def names_used(tree: ast.AST) -> Iterator[str]:
    """The names that code reads, imports, passes or writes in a short text; not those it repeats in prose."""
    prose = docstrings(tree)
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Load()) | ast.Attribute(attr=name, ctx=ast.Load()):
                yield name
            case ast.alias(name=name):
                yield from name.split(".")
            case ast.keyword(arg=str(name)):
                yield name
            case ast.MatchClass(kwd_attrs=names):
                yield from names
            case ast.Constant(value=str(text)) if id(node) not in prose and len(text) < TEXT_MAX:
                yield from WORD.findall(text)


@cache
def used() -> Counter[str]:
    """The names that the product, its packages and its scripts use; a test's use of a name is no use."""
    found: Counter[str] = Counter()
    for path, text in texts().items():
        if path.is_relative_to(ROOT / "tests"):
            continue
        if path.suffix == ".py" or text.startswith("#!/usr/bin/env python"):
            found.update(names_used(ast.parse(text)))
        else:
            found.update(WORD.findall(text))
    return found


def is_passed_on(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> bool:
    """True if Python or a framework finds it: by its name, its base class or a decorator."""
    if isinstance(node, ast.ClassDef) and FOUND_BY_BASE & set(map(last_name, node.bases)):
        return True
    decorators = (each.func if isinstance(each, ast.Call) else each for each in node.decorator_list)
    return (
        node.name.startswith("__")
        or node.name in HOOKS
        or bool(PUT_TOGETHER.fullmatch(node.name))
        or bool(PASSING & set(map(last_name, decorators)))
    )


def defined(statements: list[ast.stmt], owner: str = "") -> Iterator[str]:
    """Functions, classes and constants; and `Class.method` of methods and properties."""
    for node in statements:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if not is_passed_on(node):
                yield owner + node.name
            if isinstance(node, ast.ClassDef):
                own = [each for each in node.body if isinstance(each, FUNCTIONS)]
                yield from defined([*own], f"{owner}{node.name}.")
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = (target.id for target in targets if isinstance(target, ast.Name))
            yield from (name for name in names if name.isupper())


def is_inherited(path: str, name: str) -> bool:
    """True if a base class that is not ours has the name: its framework calls what a class of ours has."""
    owner, _, method = name.rpartition(".")
    if not owner:
        return False
    kind = getattr(import_module(path.removesuffix(".py").replace("/", ".")), owner)
    above = [each for each in kind.__mro__ if each.__module__.partition(".")[0] not in HOUSES]
    return any(method in vars(each) for each in above)


def unused(path: str, tree: ast.Module, names: Mapping[str, int]) -> list[str]:
    return [
        f"{path}: {name}"
        for name in defined(tree.body)
        if not names.get(name.rpartition(".")[2]) and not is_inherited(path, name)
    ]


class TestNames:
    def test_are_all_used(self) -> None:
        found = [
            name
            for path, tree in modules(*HOUSES)
            if not path.startswith("bazaar/settings/")
            for name in unused(path, tree, used())
        ]
        assert found == []

    def test_used_by_tests_alone_count_as_unused(self) -> None:
        assert used()["set_cancellation_term"] == 0
        assert any("set_cancellation_term" in text for text in texts().values())

    def test_are_seen_when_they_are_not(self) -> None:
        text = """
            LIMIT = 1
            OTHER: int = 1
            def unused(): ...
            class Alone:
                def unused_too(self): ...
                def __len__(self): ...
            class Row(models.Model):
                @property
                def is_measured(self): ...
                @cached_property
                def remaining(self): ...
            class Command(BaseCommand):
                def add_arguments(self, parser): ...
            @receiver(signal)
            def heard(): ...
            @shared_task
            def never_sent(): ...
        """
        tree = ast.parse(textwrap.dedent(text))
        assert set(defined(tree.body)) == {
            *("LIMIT", "OTHER", "unused", "Alone", "Alone.unused_too", "never_sent"),
            *("Row", "Row.is_measured", "Row.remaining", "Command", "Command.add_arguments"),
        }

    def test_are_not_used_by_prose(self) -> None:
        text = """
            def used(): ...
            def unused():
                "As `unused` of old, and `told`."
                # told: see unused
                used()
        """
        assert set(names_used(ast.parse(textwrap.dedent(text)))) == {"used"}

    @pytest.mark.parametrize(
        "text", ["unused()", "row.unused", "from x import unused", "getattr(x, 'unused')", "f(unused=1)"]
    )
    def test_are_used_by_code(self, text: str) -> None:
        assert "unused" in set(names_used(ast.parse(text)))

    def test_of_frameworks_are_known_by_the_base(self) -> None:
        assert is_inherited("compute_market/ssh/server.py", "Login.begin_auth")
        assert not is_inherited("compute_market/ledger/models.py", "Reservation.__repr_of_ours__")


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
