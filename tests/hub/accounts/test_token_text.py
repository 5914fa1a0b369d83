"""The text of new access tokens."""

from __future__ import annotations

import re

import pytest
from pytest_django import Settings

from bazaar.settings import derived
from foundation.environment import VariableInvalid
from hub.accounts import selectors
from hub.accounts.token_text import new_token_text
from tests.factories import hub as make


class TestNewTokens:
    def test_have_the_form_that_clients_and_scanners_know(self) -> None:
        texts = {new_token_text() for _ in range(200)}
        assert len(texts) == 200
        assert all(re.fullmatch(r"hf_[A-Za-z0-9]{40}", text) for text in texts)

    @pytest.mark.django_db
    def test_begin_as_the_setting_says_and_old_ones_stay_good(self, settings: Settings) -> None:
        owner = make.user("ada")
        settings.TOKEN_PREFIX = "acme_"
        text = make.token(owner, "read")
        assert re.fullmatch(r"acme_[A-Za-z0-9]{40}", text)
        old = make.token(owner, "read", secret="mbz_" + "a" * 43)
        for known in (text, old):
            assert selectors.principal_for_token(known, now=make.NOW).user == owner

    @pytest.mark.parametrize("prefix", ["hf-", "a b", "é", "x" * 21])
    def test_with_an_odd_prefix_are_a_mistake_of_the_operator(
        self, monkeypatch: pytest.MonkeyPatch, prefix: str
    ) -> None:
        monkeypatch.setenv("BAZAAR_TOKEN_PREFIX", prefix)
        with pytest.raises(VariableInvalid, match="BAZAAR_TOKEN_PREFIX"):
            derived.token_prefix()
