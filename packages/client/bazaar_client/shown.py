"""Output of the command line: tables and sentences for people, JSON for programs."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from bazaar_client.amounts import credits_of

NOTHING = "–"
# The most rows of a list, also with --json.
ROWS_MAX = 50
# Control, format (bidirectional overrides among them), surrogate, line and paragraph separators.
UNSHOWN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def moment(text: str) -> str:
    """A time of the market's, in UTC, to the minute."""
    return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M}"


def number(value: float) -> str:
    """A count in full, without a fraction where there is none."""
    return str(int(value)) if value == int(value) else f"{value:.2f}"


def plain(text: object) -> str:
    """A text as it may stand in one line of a terminal: others chose the names of nodes and accounts.

    Control characters, and those that turn the direction of what follows, become a replacement character.
    """
    return "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(char) in UNSHOWN else char for char in str(text)
    )


def output(text: str) -> str:
    """Output of a program as it may go to a terminal: its lines and tabs, and no commands to the terminal."""
    return "".join(char if char in "\n\t" else plain(char) for char in text.replace("\r\n", "\n"))


def line(text: str = "", *, is_aside: bool = False) -> None:
    """Print one line, beside the output (on stderr) where it is no answer. Others' words command nothing."""
    print(plain(text), file=sys.stderr if is_aside else sys.stdout)


def percent(bps: int) -> str:
    return f"{bps / 100:+.2f} %"


def providers(suppliers: list[Mapping[str, Any]]) -> str:
    """The suppliers, each with the kind of its hardware."""
    return ", ".join(f"{supplier['provider']} ({supplier['hardware']})" for supplier in suppliers)


class Column:
    """One column of a table: its title, the field it shows, and how. Figures stand to the right."""

    def __init__(self, title: str, name: str, show: Callable[[Any], str] = str) -> None:
        self.title, self.name, self.show = title, name, show
        self.is_figure = show in {credits_of, number, percent}

    def cell(self, row: Mapping[str, Any]) -> str:
        value = row.get(self.name)
        return NOTHING if value is None or value == "" else plain(self.show(value))


class Out:
    """Prints rows as a table for people, or as JSON for programs."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    def rows(self, rows: Iterable[Mapping[str, Any]], columns: list[Column], *, empty: str) -> None:
        """A table of some columns, or the sentence `empty`; with --json every field of every row."""
        found = list(rows)
        if self.as_json:
            print(json.dumps(found, indent=2))
            return
        if not found:
            print(empty)
            return
        table = [[column.title for column in columns], *([c.cell(row) for c in columns] for row in found)]
        widths = [max(len(cells[place]) for cells in table) for place in range(len(columns))]
        for cells in table:
            placed = zip(cells, widths, columns, strict=True)
            aligned = [c.rjust(width) if column.is_figure else c.ljust(width) for c, width, column in placed]
            line("  ".join(aligned).rstrip())

    def say(self, row: Mapping[str, Any], *lines: str) -> None:
        """Some lines about one thing; with --json the thing itself."""
        if self.as_json:
            print(json.dumps(row, indent=2))
            return
        for text in lines:
            if text:
                line(text)

    def event(self, row: Mapping[str, Any], *lines: str) -> None:
        """One of a stream that goes on: with --json the thing itself, on one line."""
        if self.as_json:
            print(json.dumps(row))
        for text in () if self.as_json else lines:
            line(text)
        sys.stdout.flush()


def progress(text: str) -> None:
    """A line about what is being waited for, over the one before; on a terminal only."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
