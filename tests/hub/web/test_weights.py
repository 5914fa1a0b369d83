"""The memory that a model needs, as its page asks the market for it."""

from __future__ import annotations

import pytest

from hub.revisions.models import RepositoryFacts
from hub.web.rendering.weights import bytes_needed


@pytest.mark.parametrize(
    ("facts", "needed"),
    [
        ({"used_storage_bytes": 1_700}, 0),
        ({"safetensors": {"parameters": {"BF16": 7_000, "F32": 1_000}}, "parameters_total": 8_000}, 18_000),
        ({"parameters_total": 5_000, "gguf": {"total": 5_000}}, 5_000),
        (
            {"tags": ["stand-in"], "parameters_total": 41_000, "card_data": {"parameters": "72.3B"}},
            144_600_000_000,
        ),
        (
            {"tags": ["stand-in"], "parameters_total": 41_000, "card_data": {"parameters": "235B-A22B"}},
            470 * 10**9,
        ),
        ({"tags": ["stand-in"], "parameters_total": 41_000, "card_data": {}}, 0),
    ],
)
def test_is_that_of_one_copy_of_the_true_weights(facts: dict[str, object], needed: int) -> None:
    assert bytes_needed(RepositoryFacts(**facts)) == needed


def test_is_none_without_facts() -> None:
    assert bytes_needed(None) == 0
