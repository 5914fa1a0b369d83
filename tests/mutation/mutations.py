"""The changes of a module: one operator, constant or statement of one function each.

A change is made in the syntax tree, and compiled; the function that is mended is then given the code
that came of it. Nothing is written to a file, and modules need not be imported again.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from pathlib import Path
from types import CodeType
from typing import NamedTuple, TypeVar

OPERATORS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
# These functions return text for people; no rule depends on it.
UNTOUCHED_FUNCTIONS = {"__str__", "__repr__"}
# Texts for people: of refusals, of pages, of logs.
UNTOUCHED_CALLS = {"_", "gettext", "gettext_lazy", "ngettext"}
LOGGERS = {"logger", "log"}
# Conditions without an operator of their own to change.
PLAIN_TESTS = (ast.Name, ast.Attribute, ast.Call)

T = TypeVar("T", bound=ast.AST)


class Place(NamedTuple):
    """The place of a node in the tree: `parent.field`, or `parent.field[at]`."""

    parent: ast.AST
    field: str
    at: int | None

    def put(self, node: ast.AST) -> None:
        if self.at is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.at] = node


class Mutation(NamedTuple):
    """One change of one function: its lines are those whose execution it may alter."""

    function: str
    first_line: int
    line: int
    lines: frozenset[int]
    before: str
    after: str
    place: Place
    node: ast.AST
    replacement: ast.AST

    def __str__(self) -> str:
        return f"{self.function}:{self.line}: `{self.before}` -> `{self.after}`"


class Module:
    """The syntax tree of one file, and the changes that can be made in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tree = ast.parse(path.read_text(), str(path))
        self.mutations = [
            mutation
            for name, function in _functions(self.tree, "")
            if function.name not in UNTOUCHED_FUNCTIONS
            for mutation in _mutations(name, function)
        ]

    def compiled(self, mutation: Mutation) -> CodeType:
        """The code of the mutation's function with the change in it.

        Raises: SyntaxError where the change gives no program (a `continue` outside a loop).
        """
        mutation.place.put(mutation.replacement)
        try:
            module = compile(self.tree, str(self.path), "exec", dont_inherit=True)
        finally:
            mutation.place.put(mutation.node)
        return next(
            code
            for code in _codes(module)
            if code.co_qualname == mutation.function and code.co_firstlineno == mutation.first_line
        )


def _functions(
    node: ast.Module | ast.ClassDef, prefix: str
) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for child in node.body:
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield prefix + child.name, child
        elif isinstance(child, ast.ClassDef):
            yield from _functions(child, f"{prefix}{child.name}.")


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _mutations(name: str, function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Mutation]:
    first_line = min([function.lineno, *(decorator.lineno for decorator in function.decorator_list)])
    for place, node, lines in _nodes(function):
        for replacement in _variants(node):
            ast.copy_location(replacement, node)
            ast.fix_missing_locations(replacement)
            before, after = ast.unparse(node), ast.unparse(replacement)
            line = node.lineno if isinstance(node, ast.stmt | ast.expr) else function.lineno
            yield Mutation(name, first_line, line, lines, before, after, place, node, replacement)


def _nodes(
    function: ast.FunctionDef | ast.AsyncFunctionDef,
) -> Iterator[tuple[Place, ast.AST, frozenset[int]]]:
    body = function.body
    skipped = 1 if ast.get_docstring(function) is not None else 0
    for index in range(skipped, len(body)):
        yield from _below(Place(function, "body", index), body[index], frozenset())


def _below(
    place: Place, node: ast.AST, lines: frozenset[int]
) -> Iterator[tuple[Place, ast.AST, frozenset[int]]]:
    if _untouched(node):
        return
    if isinstance(node, ast.stmt):
        lines = _lines(node)
    yield place, node, lines
    for field, value in ast.iter_fields(node):
        if field in {"annotation", "returns", "decorator_list", "args"} and not isinstance(node, ast.Call):
            continue
        if isinstance(value, ast.AST):
            yield from _below(Place(node, field, None), value, lines)
        elif isinstance(value, list):
            for index, child in enumerate(value):
                if isinstance(child, ast.AST):
                    yield from _below(Place(node, field, index), child, lines)


def _lines(statement: ast.stmt) -> frozenset[int]:
    """The lines of a statement; of one with a body, those of its head."""
    end = statement.end_lineno or statement.lineno
    body = getattr(statement, "body", None)
    if body:
        end = max(statement.lineno, body[0].lineno - 1)
    return frozenset(range(statement.lineno, end + 1))


def _untouched(node: ast.AST) -> bool:
    if isinstance(node, ast.Assert | ast.JoinedStr):
        return True
    call = node.value if isinstance(node, ast.Expr) else node
    if not isinstance(call, ast.Call):
        return False
    if isinstance(call.func, ast.Name):
        return call.func.id in UNTOUCHED_CALLS
    return (
        isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id in LOGGERS
    )


def _variants(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.stmt):
        yield from _other_statements(node)
    elif isinstance(node, ast.expr):
        yield from _other_expressions(node)


def _other_statements(node: ast.stmt) -> Iterator[ast.stmt]:
    match node:
        case ast.AugAssign() if type(node.op) in OPERATORS:
            yield ast.AugAssign(
                copy.deepcopy(node.target), _swapped(node.op, ast.operator), copy.deepcopy(node.value)
            )
        case ast.If() | ast.While() if isinstance(node.test, PLAIN_TESTS):
            variant = copy.deepcopy(node)
            variant.test = ast.UnaryOp(ast.Not(), variant.test)
            yield variant
        case ast.Expr(value=ast.Call() | ast.Yield() | ast.YieldFrom()) | ast.Raise():
            yield ast.Pass()
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
            yield ast.Return(ast.Constant(None))
        case ast.Assign(value=value) if not isinstance(value, ast.Constant):
            yield ast.Assign(copy.deepcopy(node.targets), ast.Constant(None))
        case ast.Break():
            yield ast.Continue()
        case ast.Continue():
            yield ast.Break()


def _other_expressions(node: ast.expr) -> Iterator[ast.expr]:
    match node:
        case ast.Compare():
            for index, operator in enumerate(node.ops):
                variant = copy.deepcopy(node)
                variant.ops[index] = _swapped(operator, ast.cmpop)
                yield variant
        case ast.BoolOp():
            yield ast.BoolOp(_swapped(node.op, ast.boolop), copy.deepcopy(node.values))
        case ast.BinOp() if type(node.op) in OPERATORS:
            yield ast.BinOp(
                copy.deepcopy(node.left), _swapped(node.op, ast.operator), copy.deepcopy(node.right)
            )
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            yield copy.deepcopy(node.operand)
        case ast.IfExp() if isinstance(node.test, PLAIN_TESTS):
            yield ast.IfExp(ast.UnaryOp(ast.Not(), copy.deepcopy(node.test)), node.body, node.orelse)
        case ast.Constant():
            yield from _other_constants(node.value)


def _swapped(operator: ast.AST, kind: type[T]) -> T:
    swapped = OPERATORS[type(operator)]()
    assert isinstance(swapped, kind)
    return swapped


def _other_constants(value: object) -> Iterator[ast.Constant]:
    match value:
        case bool():
            yield ast.Constant(not value)
        case int():
            yield ast.Constant(value + 1)
        case str() if value:
            yield ast.Constant(f"XX{value}")
        case bytes() if value:
            yield ast.Constant(b"XX" + value)
