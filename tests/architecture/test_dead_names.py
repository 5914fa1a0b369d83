"""Nothing is kept that nothing names: functions, classes, constants, templates, styles."""

from __future__ import annotations

import ast
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.architecture.sources import HOUSES, ROOT, last_name, modules

WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
CODE = {".py", ".html", ".js", ".toml", ".txt", ".css", ""}
# Frameworks find these by their kind, or by a name that is put together: clean_FIELD of a form.
FOUND_BY_KIND = {"AppConfig", "OpenApiAuthenticationExtension", "Protocol"}
MADE_UP = re.compile(r"__\w+__$|clean_")
# Called by name from asyncio, asyncssh, Django and REST framework: what they document for subclasses.
HOOKS = set(
    """
    add_arguments auth_completed begin_auth connection_lost connection_requested data_received eof_received
    file_complete get_by_natural_key get_exception_handler get_fields get_security_definition get_username
    has_add_permission http_open https_open on_header on_url pause_writing process_exception
    public_key_auth_supported redirect_request response_class resume_writing save_formset seekable
    session_requested subsystem_requested validate_key validate_public_key
    """.split()
)


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
    return Counter(word for text in texts().values() for word in WORD.findall(text))


def defined(tree: ast.Module) -> Iterator[str]:
    """Functions, classes, methods and constants; not those that a decorator hands to something else."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.decorator_list:
            yield node.name
        elif isinstance(node, ast.ClassDef) and not node.decorator_list:
            yield from () if FOUND_BY_KIND & set(map(last_name, node.bases)) else (node.name,)
    for statement in tree.body:
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        yield from (name.id for name in targets if isinstance(name, ast.Name) and name.id.isupper())


class TestNames:
    def test_are_all_used(self) -> None:
        unused = [
            f"{path}: {name}"
            for path, tree in modules(*HOUSES)
            if not path.startswith("bazaar/settings/")
            for name in defined(tree)
            if word_counts()[name] == 1 and name not in HOOKS and not MADE_UP.match(name)
        ]
        assert unused == []

    def test_of_hooks_are_all_defined(self) -> None:
        assert {name for name in HOOKS if word_counts()[name] < 2} == set()


def only_passes_on(tree: ast.Module) -> bool:
    """Whether a module has imports and `__all__`, and nothing of its own."""
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
