"""The word index: an FTS5 table on SQLite, two `tsvector` columns on PostgreSQL, one contract.

Both hold the tokens that `hub.search.tokens` cuts, so neither database's own idea of a word matters, and
PostgreSQL needs no extension.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from django.db import connection

from hub.search.tokens import Term, Word

TABLE = "search_index"


class Field(StrEnum):
    """The fields that a term is searched in: parts of the id, the names, or names, tags and card together."""

    GRAMS = "grams"
    NAMES = "names"
    ANY = "any"


@dataclass(frozen=True, slots=True)
class Document:
    """One repository's tokens. `words` need not repeat what is in `names`."""

    repository_id: int
    grams: list[str]
    names: list[str]
    words: list[str]


@dataclass(frozen=True, slots=True)
class Match:
    """All `terms` are met in `field`, and none of the matches in `besides` is."""

    field: Field
    terms: tuple[Term, ...]
    besides: tuple[Match, ...] = ()


class Sqlite:
    """FTS5. The `ascii` tokenizer takes every character above 127 as part of a word, as ours does."""

    columns = {Field.GRAMS: "{grams}", Field.NAMES: "{names}", Field.ANY: "{names words}"}

    def put(self, documents: Sequence[Document]) -> None:
        with connection.cursor() as cursor:
            cursor.executemany(
                f"DELETE FROM {TABLE} WHERE rowid = %s",  # noqa: S608
                [(d.repository_id,) for d in documents],
            )
            cursor.executemany(
                f"INSERT INTO {TABLE} (rowid, grams, names, words) VALUES (%s, %s, %s, %s)",  # noqa: S608
                [
                    (d.repository_id, " ".join(d.grams), " ".join(d.names), " ".join(d.words))
                    for d in documents
                ],
            )

    def remove(self, ids: Sequence[int]) -> None:
        with connection.cursor() as cursor:
            cursor.executemany(
                f"DELETE FROM {TABLE} WHERE rowid = %s",  # noqa: S608
                [(pk,) for pk in ids],
            )

    def ids(self, match: Match) -> tuple[str, list[str]]:
        return f"SELECT rowid FROM {TABLE} WHERE {TABLE} MATCH %s", [self._expression(match)]  # noqa: S608

    def _expression(self, match: Match) -> str:
        terms = " AND ".join(self._term(term) for term in match.terms)
        text = f"({self.columns[match.field]} : ({terms}))"
        for other in match.besides:
            text = f"({text} NOT {self._expression(other)})"
        return text

    @staticmethod
    def _term(term: Term) -> str:
        return (
            "("
            + " OR ".join("(" + " AND ".join(Sqlite._word(word) for word in words) + ")" for words in term)
            + ")"
        )

    @staticmethod
    def _word(word: Word) -> str:
        token = word.token.replace('"', '""')
        return f'"{token}"*' if word.is_prefix else f'"{token}"'


class Postgres:
    """Two `tsvector` columns, written as literals so that no text search configuration has a say."""

    columns = {Field.GRAMS: "grams", Field.NAMES: "words", Field.ANY: "words"}

    def put(self, documents: Sequence[Document]) -> None:
        with connection.cursor() as cursor:
            cursor.executemany(
                f"INSERT INTO {TABLE} (repository_id, grams, words) VALUES (%s, %s::tsvector, %s::tsvector)"  # noqa: S608
                " ON CONFLICT (repository_id) DO UPDATE SET grams = excluded.grams, words = excluded.words",
                [
                    (
                        d.repository_id,
                        " ".join(map(self._quoted, d.grams)),
                        # Weight A marks what is a name.
                        " ".join(
                            [
                                *(f"{self._quoted(token)}:1A" for token in d.names),
                                *(f"{self._quoted(token)}:2" for token in d.words),
                            ]
                        ),
                    )
                    for d in documents
                ],
            )

    def remove(self, ids: Sequence[int]) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"DELETE FROM {TABLE} WHERE repository_id = ANY(%s)", [list(ids)])  # noqa: S608

    def ids(self, match: Match) -> tuple[str, list[str]]:
        where, parameters = self._condition(match)
        return f"SELECT repository_id FROM {TABLE} WHERE {where}", parameters  # noqa: S608

    def _condition(self, match: Match) -> tuple[str, list[str]]:
        weight = "A" if match.field is Field.NAMES else ""
        query = " & ".join(self._term(term, weight) for term in match.terms)
        where, parameters = f"{self.columns[match.field]} @@ %s::tsquery", [query]
        for other in match.besides:
            more, values = self._condition(other)
            where += f" AND NOT ({more})"
            parameters += values
        return where, parameters

    def _term(self, term: Term, weight: str) -> str:
        return (
            "("
            + " | ".join("(" + " & ".join(self._word(word, weight) for word in words) + ")" for words in term)
            + ")"
        )

    def _word(self, word: Word, weight: str) -> str:
        label = ("*" if word.is_prefix else "") + weight
        return self._quoted(word.token) + (f":{label}" if label else "")

    @staticmethod
    def _quoted(token: str) -> str:
        return "'" + token.replace("\\", "\\\\").replace("'", "''") + "'"


def dialect(vendor: str | None = None) -> Sqlite | Postgres:
    return Postgres() if (vendor or connection.vendor) == "postgresql" else Sqlite()


def put(documents: Iterable[Document]) -> None:
    """Step: add or replace what the index says about these repositories."""
    dialect().put(list(documents))


def remove(repository_ids: Iterable[int]) -> None:
    """Step: forget these repositories."""
    dialect().remove(list(repository_ids))


def first_ids(match: Match, limit: int) -> list[int]:
    """Ids of at most `limit` repositories that match, in no order."""
    sql, parameters = dialect().ids(match)
    with connection.cursor() as cursor:
        cursor.execute(f"{sql} LIMIT {limit:d}", parameters)
        return [row[0] for row in cursor.fetchall()]
