"""Doors translate. They ask selectors and use cases; they start no query and hold no git repository.

Checked are managers of models, saved and deleted rows, SQL, handles on repositories, and related managers: a
door may only read all rows of one (`token.grants.all()`), which a selector has loaded.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

import pytest
from django.apps import apps

from tests.architecture.sources import first_name, full_name, last_name, modules, names_in

DOORS = ("hub/api", "hub/web", "compute_market/api", "compute_market/web", "compute_market/ssh")
MANAGERS = {"objects", "_default_manager", "_base_manager"}
# Handles on a database or a repository, by the names under which they can be had.
HANDLES = {
    *("prepared_cursor", "pipelined", "CompiledQuery"),
    *("get_user_model", "get_model"),
    *("git_of", "open_repository", "GitRepository", "PathReader"),
}
SQL = {"cursor", "raw", "extra", "RawSQL"}
WRITES = {
    *("save", "asave", "delete", "adelete", "acreate", "bulk_create", "abulk_create", "bulk_update"),
    *("abulk_update", "get_or_create", "aget_or_create", "update_or_create", "aupdate_or_create"),
}
# Methods of a related manager that ask the database for some of its rows, or change them.
QUERIES = {
    *("filter", "exclude", "get", "order_by", "count", "exists", "values", "values_list", "first", "last"),
    *("annotate", "aggregate", "select_related", "prefetch_related", "alias", "only", "defer", "in_bulk"),
    *("iterator", "latest", "earliest", "distinct", "create", "add", "remove", "clear", "set", "update"),
}
# Git modules that a door may import: values, errors, and rules about texts.
GIT_MODULES = {
    "hub.gitstore",
    "hub.gitstore.values",
    "hub.gitstore.paths",
    "hub.gitstore.wildmatch",
    "hub.gitstore.diffs",
}
# The one exception: git's own protocol is served by git's own programs, and this door speaks it.
SPEAKS_GIT = {"hub/api/git/smart.py": {"hub.gitstore.serving"}}


def is_manager(node: ast.Attribute, names: Mapping[str, str]) -> bool:
    """`Model.objects` and the like; a value may have a field `objects`, as bodies of LFS have."""
    if node.attr not in MANAGERS:
        return False
    return full_name(node.value, names).rpartition(".")[2][:1].isupper()


def writes(node: ast.Call, names: Mapping[str, str]) -> bool:
    """`row.save()`; `services.delete(row)` calls a use case of a module."""
    if not isinstance(node.func, ast.Attribute) or node.func.attr not in WRITES:
        return False
    owner = full_name(node.func.value, names)
    is_module = first_name(node.func.value) in names and owner.rpartition(".")[2].islower()
    return not is_module


def taken_directly(tree: ast.Module) -> Iterator[str]:
    """`line: name` of what a module takes from models, cursors and repositories."""
    names = names_in(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and (node.attr in HANDLES or is_manager(node, names)):
            yield f"{node.lineno}: .{node.attr}"
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.lineno}: {name.name}" for name in node.names if name.name in HANDLES)
        elif isinstance(node, ast.Call) and (last_name(node.func) in SQL or writes(node, names)):
            yield f"{node.lineno}: {last_name(node.func)}()"


def git_modules(tree: ast.Module) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "hub.gitstore":
            # `from hub.gitstore import serving` imports a module, `Entry` a value.
            found |= {
                f"hub.gitstore.{name.name}" if name.name.islower() else node.module for name in node.names
            }
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("hub.gitstore."):
            found.add(node.module or "")
        elif isinstance(node, ast.ImportFrom) and node.module == "hub":
            found |= {f"hub.{name.name}" for name in node.names if name.name == "gitstore"}
    return found


def related_names() -> set[str]:
    """The names of all related managers of the models."""
    models = apps.get_models()
    backwards = {relation.get_accessor_name() for model in models for relation in model._meta.related_objects}
    return {name for name in backwards if name} | {
        field.name for model in models for field in model._meta.many_to_many
    }


def related_queries(tree: ast.Module, related: set[str]) -> Iterator[str]:
    """`line: text` of calls on a related manager, but for `.all()`."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in QUERIES
            and isinstance(node.func.value, ast.Attribute)
            and node.func.value.attr in related
        ):
            yield f"{node.lineno}: {ast.unparse(node)}"


class TestRelatedManagers:
    """A query by them would go past the rules of the room that the rows belong to."""

    def test_are_only_read_as_a_whole(self) -> None:
        related = related_names()
        found = [
            f"{path}:{text}" for path, tree in modules(*DOORS) for text in related_queries(tree, related)
        ]
        assert found == []

    @pytest.mark.parametrize(
        "text",
        [
            "lease.events.order_by('pk')",
            "token.grants.filter(pk=1)",
            "self.lease.works.count()",
            "event.past_texts.create()",
        ],
    )
    def test_are_seen_when_they_query(self, text: str) -> None:
        assert len(list(related_queries(ast.parse(text), related_names()))) == 1

    def test_may_be_read_as_a_whole(self) -> None:
        assert list(related_queries(ast.parse("token.grants.all()"), related_names())) == []


class TestDoors:
    def test_start_no_query_and_hold_no_repository(self) -> None:
        found = [f"{path}:{taken}" for path, tree in modules(*DOORS) for taken in taken_directly(tree)]
        assert found == []

    def test_know_only_values_of_git(self) -> None:
        found = {path: git_modules(tree) - GIT_MODULES for path, tree in modules(*DOORS)}
        assert {path: names for path, names in found.items() if names} == SPEAKS_GIT

    @pytest.mark.parametrize(
        "text",
        [
            "Repository.objects.live()",
            "models.Lease._default_manager.get()",
            "connection.cursor()",
            "selectors.git_of(found).read(oid)",
            "from hub.revisions.selectors import git_of",
            "from hub.gitstore import GitRepository, Entry",
            "from foundation.database.cursors import prepared_cursor",
            "found.raw('SELECT 1')",
            "models.Repository.objects",
            "from django.contrib.auth import get_user_model",
            "auth.get_user_model().objects",
            "apps.get_model('accounts', 'User').objects",
            "from hub.accounts.models import User as people\npeople.objects.get()",
            "from hub.accounts import models\npeople = models.User\npeople.objects.get()",
            "found.save()",
            "selectors.visible(slug).delete()",
            "found.tags.bulk_create(rows)",
        ],
    )
    def test_are_seen_when_they_do(self, text: str) -> None:
        assert len(list(taken_directly(ast.parse(text)))) == 1

    def test_may_read_a_field_of_that_name(self) -> None:
        assert list(taken_directly(ast.parse("body_of(request, bodies.Batch).objects; batch.objects"))) == []

    def test_may_call_a_use_case_of_that_name(self) -> None:
        text = "from hub.repos import services\nservices.delete(repository)"
        assert list(taken_directly(ast.parse(text))) == []

    def test_are_seen_when_they_run_git(self) -> None:
        text = "from hub.gitstore import Entry, serving\nfrom hub.gitstore.writing import write"
        assert git_modules(ast.parse(text)) == {
            "hub.gitstore",
            "hub.gitstore.serving",
            "hub.gitstore.writing",
        }
