"""The changes that mutation testing makes of a given source, and the code that comes of them."""

from __future__ import annotations

import textwrap
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

from tests.mutation.mutations import Module


def module(folder: Path, source: str) -> Module:
    path = folder / "mended.py"
    path.write_text(textwrap.dedent(source))
    return Module(path)


def changes(folder: Path, body: str) -> list[str]:
    """The changes of a function with this body, as `before -> after`."""
    source = "def one(a, b=None):\n" + textwrap.indent(textwrap.dedent(body), "    ")
    return [f"{change.before} -> {change.after}" for change in module(folder, source).mutations]


class TestChanges:
    @pytest.mark.parametrize(
        ("body", "found"),
        [
            ("a < b", ["a < b -> a <= b"]),
            ("a <= b", ["a <= b -> a < b"]),
            ("a > b", ["a > b -> a >= b"]),
            ("a == b", ["a == b -> a != b"]),
            ("a is b", ["a is b -> a is not b"]),
            ("a not in b", ["a not in b -> a in b"]),
            ("a < b < a", ["a < b < a -> a <= b < a", "a < b < a -> a < b <= a"]),
            ("a and b", ["a and b -> a or b"]),
            ("a + b", ["a + b -> a - b"]),
            ("a * b", ["a * b -> a // b"]),
            ("a // b", ["a // b -> a * b"]),
            ("a | b", ["a | b -> a & b"]),
            ("a ** b", []),
            ("not a", ["not a -> a"]),
            ("-a", ["-a -> a"]),
            ("a if b else a", ["a if b else a -> a if not b else a"]),
            ("a[0]", ["0 -> 1"]),
            ("a[True]", ["True -> False"]),
            ("a['x']", ["'x' -> 'XXx'"]),
            ("a[b'x']", ["b'x' -> b'XXx'"]),
            ("a['']", []),
            ("a[None]", []),
        ],
    )
    def test_of_expressions_are_one_operator_or_constant(
        self, body: str, found: list[str], tmp_path: Path
    ) -> None:
        assert changes(tmp_path, body) == found

    @pytest.mark.parametrize(
        ("body", "found"),
        [
            ("a()", ["a() -> pass"]),
            ("a(1)", ["a(1) -> pass", "1 -> 2"]),
            ("raise a", ["raise a -> pass"]),
            ("yield a", ["yield a -> pass"]),
            ("return a", ["return a -> return None"]),
            ("return 5", ["5 -> 6"]),
            ("return", []),
            ("a = b", ["a = b -> a = None"]),
            ("a = 5", ["5 -> 6"]),
            ("a += b", ["a += b -> a -= b"]),
            ("a **= b", []),
            ("if a:\n    pass", ["if a:\n    pass -> if not a:\n    pass"]),
            (
                "while a():\n    break",
                ["while a():\n    break -> while not a():\n    break", "break -> continue"],
            ),
            ("for _ in a:\n    continue", ["continue -> break"]),
        ],
    )
    def test_of_statements_leave_out_a_step_or_turn_a_condition(
        self, body: str, found: list[str], tmp_path: Path
    ) -> None:
        assert changes(tmp_path, body) == found

    @pytest.mark.parametrize(
        "body",
        [
            '"""A docstring."""',
            "assert a < 5",
            "f'{a} of {5}'",
            "_('a text for people')",
            "gettext_lazy('x')",
            "log.warning('event a=%s', a)",
            "logger.info('x')",
        ],
    )
    def test_are_not_made_of_texts_assertions_and_logs(self, body: str, tmp_path: Path) -> None:
        assert changes(tmp_path, body) == []

    def test_are_those_of_functions_and_methods_alone(self, tmp_path: Path) -> None:
        found = module(
            tmp_path,
            """
            LIMIT = 5

            def outer(a: list["int"] = [1]) -> "str":
                return 1

            class Room:
                size = 2

                @property
                def door(self):
                    return 3

                def __str__(self):
                    return "room"

            async def later():
                return 4
            """,
        ).mutations
        assert [str(change) for change in found] == [
            "outer:5: `1` -> `2`",
            "Room.door:12: `3` -> `4`",
            "later:18: `4` -> `5`",
        ]

    def test_know_the_lines_that_they_may_alter(self, tmp_path: Path) -> None:
        found = module(
            tmp_path,
            """\
            def one(a):
                if (a <
                        5):
                    return (
                        a + 7
                    )
            """,
        ).mutations
        lines = {change.before: sorted(change.lines) for change in found}
        assert lines["a < 5"] == lines["5"] == [2, 3]
        assert lines["a + 7"] == lines["7"] == [4, 5, 6]


class TestCompiled:
    def result(self, found: Module, at: int, *arguments: Any) -> Any:
        code = found.compiled(found.mutations[at])
        return FunctionType(code, {})(*arguments)

    def test_has_one_change_and_the_next_has_another(self, tmp_path: Path) -> None:
        found = module(tmp_path, "def one(a):\n    return a + 5 > 6\n")
        assert [change.before for change in found.mutations] == [
            "return a + 5 > 6",
            "a + 5 > 6",
            "a + 5",
            "5",
            "6",
        ]
        results = [[self.result(found, at, a) for a in (1, 2)] for at in range(5)]
        assert results == [[None, None], [True, True], [False, False], [True, True], [False, False]]
        assert [self.result(found, 1, a) for a in (1, 2)] == [True, True], "earlier changes are undone"

    def test_is_that_of_the_functions_of_the_same_name_in_turn(self, tmp_path: Path) -> None:
        found = module(
            tmp_path,
            """
            class A:
                def one(self):
                    return 1

            class B:
                def one(self):
                    return 5
            """,
        )
        assert [self.result(found, at, None) for at in range(2)] == [2, 6]
        assert [change.function for change in found.mutations] == ["A.one", "B.one"]

    def test_refuses_a_change_that_is_no_program(self, tmp_path: Path) -> None:
        found = module(tmp_path, "def one():\n    while True:\n        break\n")
        broken = [change for change in found.mutations if change.before == "break"]
        assert [change.after for change in broken] == ["continue"]
        assert found.compiled(broken[0]).co_name == "one"
