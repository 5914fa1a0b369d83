"""URL converters. Routes see the path as it came, percent-encoded; each converter decodes its part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar
from urllib.parse import quote, unquote

from django.urls import register_converter

from hub.repos.models import Kind
from hub.revisions.locations import RevisionPath


def decoded(text: str) -> str:
    """Percent-decoded. Raises: ValueError (the route does not match) for what is not UTF-8, and for NUL."""
    plain = unquote(text, errors="strict")
    if "\0" in plain:
        raise ValueError("NUL")
    return plain


class RepoId:
    """`namespace/name`, or a bare `name` is refused by the regex (see `BareName`)."""

    regex = r"[A-Za-z0-9_][A-Za-z0-9._-]*/[A-Za-z0-9_][A-Za-z0-9._-]*"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


class Segment:
    """One path segment, decoded: a revision `refs%2Fpr%2F1` arrives as `refs/pr/1`."""

    regex = r"[^/]+"

    def to_python(self, value: str) -> str:
        return decoded(value)

    def to_url(self, value: str) -> str:
        return quote(value, safe="")


class Name(Segment):
    """A namespace or repository name."""

    regex = r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?"


class Rest:
    """All that is left of the path, decoded."""

    regex = r".+"

    def to_python(self, value: str) -> str:
        return decoded(value)

    def to_url(self, value: str) -> str:
        return quote(value, safe="/")


class RevisionAndPath:
    """A revision and what may follow it (`hub.revisions.locations`)."""

    regex = r".+"

    def to_python(self, value: str) -> RevisionPath:
        first, _, rest = value.partition("/")
        if "%2F" in first.upper():
            return RevisionPath(text=decoded(rest), revision=decoded(first))
        return RevisionPath(text=decoded(value))

    def to_url(self, value: RevisionPath) -> str:
        path = quote(value.text, safe="/")
        return f"{quote(value.revision, safe='')}/{path}" if value.revision else path


class _Kind:
    """The word for a kind of repositories, as the kind."""

    kinds: ClassVar[Mapping[str, Kind]]
    words: ClassVar[Mapping[str, str]]
    regex: ClassVar[str]

    def to_python(self, value: str) -> str:
        return self.kinds[value]

    def to_url(self, value: str) -> str:
        """Raises: ValueError for a kind that the dialect does not serve: Django tries the next route."""
        if value not in self.words:
            raise ValueError(value)
        return self.words[value]


def register_kinds(kinds: Mapping[str, Kind], name: str) -> None:
    """Register a converter for one dialect's words: `kinds` are word → kind, `name` is the converter's."""
    words = {str(kind): word for word, kind in kinds.items()}
    members = {"kinds": kinds, "words": words, "regex": "|".join(kinds)}
    register_converter(type("KindConverter", (_Kind,), members), name)


def register() -> None:
    register_converter(RepoId, "repo_id")
    register_converter(Segment, "segment")
    register_converter(Name, "name")
    register_converter(Rest, "rest")
    register_converter(RevisionAndPath, "revision_path")


register()
