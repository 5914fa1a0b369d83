"""Text cut into the words that the index holds, the same for both databases.

Latin words are kept whole and in their parts (`qwen2.5` → `qwen2`, `qwen`, `2`, `5`); Chinese, Japanese and
Korean text, which has no spaces, becomes every character and every pair of neighbours (`通义千` → `通`, `义`,
`千`, `通义`, `义千`). Ids also give every two and three neighbouring characters, for searches inside words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

TOKEN_MAX = 48
TOKENS_MAX = 3_000
QUERY_TERMS_MAX = 8
CJK = (
    r"\u2e80-\u2fdf\u3005-\u3007\u3041-\u312f\u3131-\u318e\u31a0-\u31bf\u31f0-\u4dbf\u4e00-\u9fff"
    r"\uac00-\ud7af\uf900-\ufaff"
)
_RUN = re.compile(rf"[{CJK}\U00020000-\U0003ffff]+|[^\W_{CJK}\U00020000-\U0003ffff]+")
_IS_CJK = re.compile(rf"[{CJK}\U00020000-\U0003ffff]")
_PART = re.compile(r"[0-9]+|[^0-9]+")
ID_CHARACTERS = re.compile(r"[a-z0-9._/-]+")
# Marks an id or name that is meant whole.
EXACT = "="


@dataclass(frozen=True, slots=True)
class Word:
    """A token that must be there, or (`is_prefix`) one that begins with it."""

    token: str
    is_prefix: bool = False


# One requested alternative: all of these words.
Term = tuple[tuple[Word, ...], ...]


def fold(text: str) -> str:
    """Full-width and half-width forms, letter case and NULs made one."""
    return unicodedata.normalize("NFKC", text.replace("\0", " ")).lower()


def _runs(text: str) -> Iterator[tuple[str, bool]]:
    for match in _RUN.finditer(fold(text)):
        yield match[0], bool(_IS_CJK.match(match[0]))


def words(*texts: str) -> list[str]:
    """Every token of the texts once, in order of appearance, at most 3,000."""
    found: dict[str, None] = {}
    for text in texts:
        for run, is_cjk in _runs(text):
            for token in _cjk_tokens(run) if is_cjk else _latin_tokens(run):
                found.setdefault(token[:TOKEN_MAX])
            if len(found) >= TOKENS_MAX:
                return list(found)[:TOKENS_MAX]
    return list(found)


def _cjk_tokens(run: str) -> Iterator[str]:
    yield from run
    yield from (run[at : at + 2] for at in range(len(run) - 1))


def _latin_tokens(run: str) -> Iterator[str]:
    yield run
    parts = _PART.findall(run)
    if len(parts) > 1:
        yield from parts


def grams(repo_id: str) -> list[str]:
    """Every two and three neighbouring characters of an id, and the id and its name as wholes."""
    text = fold(repo_id)
    found = dict.fromkeys(text[at : at + size] for size in (2, 3) for at in range(len(text) - size + 1))
    found[EXACT + text] = None
    found[EXACT + text.rpartition("/")[2]] = None
    return list(found)


def gram_words(part: str) -> tuple[Word, ...]:
    """The grams of every id that contains `part`: a necessary condition, not a sufficient one."""
    size = min(3, len(part))
    return tuple(
        Word(gram) for gram in dict.fromkeys(part[at : at + size] for at in range(len(part) - size + 1))
    )


def exact_terms(text: str) -> tuple[Term, ...]:
    """The query meant as a whole id or name, spaces standing for hyphens."""
    folded = " ".join(fold(text).split())
    spellings = dict.fromkeys((folded.replace(" ", "-"), folded.replace(" ", ""), folded.replace(" ", "_")))
    whole = [spelling for spelling in spellings if ID_CHARACTERS.fullmatch(spelling)]
    return (tuple((Word(EXACT + spelling),) for spelling in whole),) if whole else ()


def query_terms(text: str) -> tuple[Term, ...]:
    """The terms of a person's words; every term must match. Empty if there is no word."""
    terms: list[Term] = []
    for run, is_cjk in _runs(text):
        if is_cjk:
            pairs = [run[at : at + 2] for at in range(len(run) - 1)] or [run]
            terms.append((tuple(Word(pair) for pair in dict.fromkeys(pairs)),))
            continue
        run = run[:TOKEN_MAX]  # noqa: PLW2901 - the same word, cut
        parts = _PART.findall(run)
        together: Term = ((Word(run, is_prefix=True),),)
        terms.append((*together, tuple(map(Word, parts))) if len(parts) > 1 else together)
    return tuple(dict.fromkeys(terms))[:QUERY_TERMS_MAX]


def split_search(values: Iterable[str]) -> tuple[list[str], list[str]]:
    """The wire's `search` values as parts of ids, and as words where no id could hold them."""
    parts: list[str] = []
    others: list[str] = []
    for value in values:
        for piece in fold(value).split()[:QUERY_TERMS_MAX]:
            (parts if ID_CHARACTERS.fullmatch(piece) else others).append(piece)
    return parts, others
