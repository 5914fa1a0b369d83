"""The plan of a database for a statement, as its nodes: texts of EXPLAIN differ between versions.

PostgreSQL chooses by its statistics. `indexes_only` forbids it to read a whole table, to sort and to collect
places first, as far as there is another way, and takes the statistics away that an automatic ANALYZE may have
left. The plan then depends on its indexes, not on the rows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import connection

SCAN = re.compile(
    r"(?P<verb>SCAN|SEARCH) (?P<table>\S+)"
    r"(?: USING (?P<by>INTEGER PRIMARY KEY|"
    r"(?:AUTOMATIC )?(?:PARTIAL )?(?P<covering>COVERING )?INDEX (?P<index>\S+)))?"
    r"(?: \((?P<condition>.*)\))?"
)


@dataclass(frozen=True, slots=True)
class Node:
    """A step of a plan.

    `kind` is `scan` (a whole table), `index`, `index only`, `primary key` (SQLite's row numbers), `sort` or
    `other`. `begins`: the conditions with which it enters its index.
    """

    kind: str
    table: str = ""
    index: str = ""
    begins: str = ""


Statement = tuple[str, Any]


def statements_of(ask: Callable[[], object]) -> list[Statement]:
    """The statements that a call sends, with their parameters."""
    sent: list[Statement] = []

    def note(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        sent.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        ask()
    return [(sql, params) for sql, params in sent if sql.lstrip().startswith("SELECT")]


def plan_of(statement: Statement) -> list[Node]:
    """All steps of the plan of one statement."""
    sql, params = statement
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}", params)
            return [_of_sqlite(row[-1]) for row in cursor.fetchall()]
        cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", params)
        found = cursor.fetchone()[0]
    explained = json.loads(found) if isinstance(found, str) else found
    return [_of_postgres(step) for step in _steps(explained[0]["Plan"])]


def unordered(statement: Statement) -> Statement:
    """The statement without its order, its limit and its DISTINCT.

    On a table of few rows PostgreSQL would rather walk the primary key in its order than an index and sort.
    """
    sql, params = statement
    found = re.sub(r" ORDER BY [^()]*$", "", sql)
    return re.sub(r"^SELECT DISTINCT ", "SELECT ", found), params


def plans_of(ask: Callable[[], object]) -> list[Node]:
    """All steps of the plans of all statements that a call sends."""
    return [node for statement in statements_of(ask) for node in plan_of(statement)]


# Without them PostgreSQL takes a table for one of some hundred rows; with those of an empty table every index
# costs the same. Only a superuser may change these tables, and a rollback restores them.
_OURS = "(SELECT oid FROM pg_namespace WHERE nspname = current_schema())"
WITHOUT_STATISTICS = tuple(
    text.replace("OURS", _OURS)
    for text in (
        "DELETE FROM pg_statistic WHERE starelid IN (SELECT oid FROM pg_class WHERE relnamespace = OURS)",
        "UPDATE pg_class SET reltuples=-1, relpages=0 WHERE relkind IN ('r', 'i') AND relnamespace = OURS",
    )
)


@contextmanager
def indexes_only() -> Iterator[None]:
    """Let PostgreSQL use its indexes wherever it can; only inside a transaction."""
    names = (
        "enable_seqscan",
        "enable_bitmapscan",
        "enable_sort",
        "enable_incremental_sort",
        "enable_hashagg",
    )
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        for name in names:
            cursor.execute(f"SET LOCAL {name} = off")
        for statement in WITHOUT_STATISTICS:
            cursor.execute(statement)
    yield
    with connection.cursor() as cursor:
        for name in names:
            cursor.execute(f"SET LOCAL {name} TO DEFAULT")


def keep_only_the_primary_key(table: str) -> None:
    """Take all other indexes of a table away from PostgreSQL, until the transaction ends."""
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # a table with checks to come cannot be altered
        cursor.execute(
            "SELECT indexrelid::regclass::text, conname FROM pg_index"
            " LEFT JOIN pg_constraint ON conindid = indexrelid AND conrelid = indrelid"
            " WHERE indrelid = %s::regclass AND NOT indisprimary",
            [table],
        )
        for index, constraint in cursor.fetchall():
            if constraint:
                cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {constraint} CASCADE")
            else:
                cursor.execute(f"DROP INDEX {index}")


def _steps(step: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield step
    for below in step.get("Plans", ()):
        yield from _steps(below)


def _of_postgres(step: dict[str, Any]) -> Node:
    kinds = {
        "Seq Scan": "scan",
        "Index Scan": "index",
        "Index Only Scan": "index only",
        "Bitmap Index Scan": "index",
        "Sort": "sort",
        "Incremental Sort": "sort",
    }
    return Node(
        kinds.get(step["Node Type"], "other"),
        step.get("Relation Name", ""),
        step.get("Index Name", ""),
        step.get("Index Cond", ""),
    )


def _of_sqlite(text: str) -> Node:
    if text.startswith("USE TEMP B-TREE"):
        return Node("sort")
    found = SCAN.match(text)
    if found is None:
        return Node("other")
    if found["by"] is None:
        kind = "scan"
    elif found["by"] == "INTEGER PRIMARY KEY":
        kind = "primary key"
    else:
        kind = "index only" if found["covering"] else "index"
    return Node(kind, found["table"], found["index"] or "", found["condition"] or "")
