"""The fault of each request, and the record of requests. No Django."""

from __future__ import annotations

import fnmatch
import itertools
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any
from urllib.parse import unquote

RECORDS_MAX = 100_000
OwnersOf = Callable[[str, str, dict[str, str]], frozenset[str]]


@dataclass
class Record:
    """One request as it came, and what became of it. `path` is percent-encoded."""

    number: int
    method: str
    path: str
    query: str
    headers: dict[str, str]
    status: int = 0
    sent_bytes: int = 0
    fault: int | None = None


@dataclass
class Rule:
    """A fault and the requests it meets.

    `route` is a glob over the decoded path; `repository` is `owner/name`, in the path or of the object
    asked for. The first `after` requests that match are let through, the next `times` are met (None: all).
    """

    route: str = "*"
    method: str | None = None
    repository: str | None = None
    after: int = 0
    times: int | None = None

    status: int | None = None
    retry_after: int | None = None
    latency: float = 0.0  # seconds before the request is looked at
    bandwidth: int | None = None  # bytes a second, of the body
    cut_after: int | None = None  # bytes of the body, after which the connection ends
    cut_upload_after: int | None = None  # the same for the request's body
    wrong_bytes: bool = False
    wrong_length: int = 0  # bytes added to the body (or taken from its end), its length telling so
    expired_token: bool = False
    stale_etag: bool = False

    task: str | None = None  # a glob over names of tasks: the rule meets these, and no requests
    lost: bool = False  # the task is never done

    id: int = 0
    seen: int = 0
    hits: int = 0

    @classmethod
    def parse(cls, values: Any) -> Rule:
        """Read what a test sent. Raises: ValueError naming what is wrong."""
        if not isinstance(values, dict):
            raise ValueError("A rule is an object.")  # noqa: TRY004 - the door knows ValueError alone
        unknown = sorted(set(values) - _SETTABLE.keys())
        if unknown:
            raise ValueError(f"A rule has no {', '.join(unknown)}; it may have {', '.join(_SETTABLE)}.")
        for name, value in values.items():
            if value is not None and not isinstance(value, _SETTABLE[name]):
                raise ValueError(f"{name} cannot be {value!r}.")
            if name not in {"route", "wrong_length"} and isinstance(value, int | float) and value < 0:
                raise ValueError(f"{name} cannot be below zero.")
        if values.get("bandwidth") == 0:
            raise ValueError("bandwidth must be above zero.")
        if (status := values.get("status")) is not None and not 400 <= status <= 599:
            raise ValueError("status must be between 400 and 599.")
        return cls(**{name: value for name, value in values.items() if value is not None})

    def matches(self, method: str, path: str, owners: frozenset[str] = frozenset()) -> bool:
        """`owners`: the repositories whose objects the request is about, though its path names none."""
        path = unquote(path)
        if self.task is not None:
            return False
        if self.method and self.method.upper() != method:
            return False
        if self.repository and not (self.repository in owners or _names(path, self.repository)):
            return False
        return fnmatch.fnmatchcase(path, self.route)

    @property
    def changes_body(self) -> bool:
        return bool(self.bandwidth or self.cut_after is not None or self.wrong_bytes or self.wrong_length)


_TYPES: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("route", "method", "repository", "task"), str),
    **dict.fromkeys(("lost", "wrong_bytes", "expired_token", "stale_etag"), bool),
    "latency": (int, float),
}
_SETTABLE: dict[str, Any] = {
    f.name: _TYPES.get(f.name, int) for f in fields(Rule) if f.name not in {"id", "seen", "hits"}
}


def _names(path: str, repository: str) -> bool:
    before, found, after = f"{path}/".partition(f"/{repository}")
    return bool(found) and (after.startswith(("/", ".git/")) and before.count("/") <= 5)


@dataclass
class Book:
    """All rules and records of this process."""

    rules: list[Rule] = field(default_factory=list)
    records: deque[Record] = field(default_factory=lambda: deque(maxlen=RECORDS_MAX))
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, rule: Rule) -> Rule:
        with self._lock:
            rule.id = next(self._numbers)
            self.rules.append(rule)
        return rule

    def remove(self, rule_id: int | None = None) -> None:
        """Take one rule out, or all."""
        with self._lock:
            self.rules = [rule for rule in self.rules if rule_id is not None and rule.id != rule_id]

    def forget(self) -> None:
        with self._lock:
            self.rules, self.records = [], deque(maxlen=RECORDS_MAX)

    def meet(
        self,
        method: str,
        path: str,
        query: str,
        headers: dict[str, str],
        *,
        owners_of: OwnersOf | None = None,
    ) -> tuple[Record, Rule | None]:
        """Record the request and return its fault: that of the first rule that applies now.

        `owners_of` returns the repositories of the request's objects; it is called if a rule names a
        repository.
        """
        names_one = owners_of is not None and any(rule.repository for rule in self.rules)
        owners = owners_of(path, query, headers) if owners_of is not None and names_one else frozenset()
        with self._lock:
            record = Record(next(self._numbers), method, path, query, headers)
            self.records.append(record)
            met = self._due(lambda rule: rule.matches(method, path, owners))
            record.fault = met.id if met else None
            return record, met

    def meet_task(self, name: str) -> Rule | None:
        """Give the fault of a task that is about to be done."""
        with self._lock:
            return self._due(lambda rule: rule.task is not None and fnmatch.fnmatchcase(name, rule.task))

    def _due(self, matches: Callable[[Rule], bool]) -> Rule | None:
        met: Rule | None = None
        for rule in filter(matches, self.rules):
            rule.seen += 1
            is_due = rule.seen > rule.after and (rule.times is None or rule.hits < rule.times)
            if is_due and met is None:
                met = rule
                rule.hits += 1
        return met


book = Book()
