"""Refs move only under a lock after which the state of the repository was checked again (docs/locking.md)."""

from __future__ import annotations

import ast
import typing

import pytest

from hub.repos.locking import ChangeableRepository
from hub.revisions import moves
from tests.architecture.sources import HOUSES, last_name, modules

LOCKING = "hub/repos/locking.py"


def callers_of(name: str) -> set[str]:
    """`path::function` of each call of a function by its last name, outside `LOCKING`."""
    return {
        f"{path}::{function.name}"
        for path, tree in modules(*HOUSES)
        if path != LOCKING
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Call) and last_name(node.func) == name
    }


@pytest.mark.parametrize("step", [moves.move, moves.move_refs])
def test_a_move_demands_a_repository_that_was_checked_under_its_lock(step: object) -> None:
    assert typing.get_type_hints(step)["repository"] is ChangeableRepository


def test_only_the_locks_say_that_a_repository_was_checked() -> None:
    assert callers_of("ChangeableRepository") == set()


def test_one_undo_goes_without_the_check() -> None:
    assert callers_of("lock_for_undo") == {"hub/community/services/pull_requests.py::_withdraw"}
