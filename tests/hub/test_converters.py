"""The words for kinds of repositories in addresses: one table, and one converter for all dialects."""

from __future__ import annotations

import pytest
from django.urls import get_resolver
from django.urls.converters import get_converters

from hub.repos import kinds
from hub.repos.models import Kind

ALL = set(Kind)
DIALECTS = {
    "plural": ALL,
    "page_plural": ALL - {Kind.MODEL},
    "csg_type": ALL - {Kind.KERNEL},
    "ms_type": {Kind.MODEL, Kind.DATASET, Kind.SPACE, Kind.SKILL, Kind.MCP},
}


def test_every_kind_has_a_plural() -> None:
    assert set(kinds.PLURAL_OF) == ALL
    assert {kind: plural for plural, kind in kinds.KIND_OF.items()} == kinds.PLURAL_OF


def test_models_have_no_segment_before_their_id() -> None:
    assert kinds.path_of(Kind.MODEL, "ada/a") == "ada/a"
    assert kinds.path_of(Kind.DATASET, "ada/a") == "datasets/ada/a"


@pytest.mark.parametrize("dialect", DIALECTS)
class TestDialects:
    def test_read_what_they_write(self, dialect: str) -> None:
        assert get_resolver().url_patterns  # the addresses register their converters
        converter = get_converters()[dialect]
        words = {kind: converter.to_url(kind) for kind in DIALECTS[dialect]}
        assert {converter.to_python(word) for word in words.values()} == DIALECTS[dialect]
        assert sorted(converter.regex.split("|")) == sorted(words.values())

    def test_refuse_what_they_do_not_serve(self, dialect: str) -> None:
        assert get_resolver().url_patterns
        converter = get_converters()[dialect]
        for kind in ALL - DIALECTS[dialect]:
            with pytest.raises(ValueError, match=kind.value):
                converter.to_url(kind)
