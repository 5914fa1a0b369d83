"""Signed words of grants and tickets."""

from __future__ import annotations

import string

import pytest

from compute_market.tunnels.grants import Grant, GrantRefused, key_from

KEY = key_from("secret")
NOW = 1_800_000_000.0
ALPHABET = string.ascii_letters + string.digits + "-_"


@pytest.fixture
def word() -> str:
    return Grant(lease=7, port="web", expires=NOW + 60).signed(KEY)


def test_a_word_is_read_until_it_expires(word: str) -> None:
    assert Grant.read(KEY, word, now=NOW) == Grant(7, "web", NOW + 60)
    with pytest.raises(GrantRefused):
        Grant.read(KEY, word, now=NOW + 60)


def test_a_word_with_any_other_character_is_refused(word: str) -> None:
    """The last one too: base64 ignores two of its bits, so three others stand for the same bytes."""
    for place, letter in enumerate(word):
        for other in (*ALPHABET, ".", "=", "!"):
            if other != letter:
                with pytest.raises(GrantRefused):
                    Grant.read(KEY, word[:place] + other + word[place + 1 :], now=NOW)


@pytest.mark.parametrize("added", ["=", "!", ".", " ", "A"])
def test_a_word_with_something_added_is_refused(word: str, added: str) -> None:
    for spoilt in (word + added, added + word):
        with pytest.raises(GrantRefused):
            Grant.read(KEY, spoilt, now=NOW)


def test_a_word_of_another_key_is_refused(word: str) -> None:
    with pytest.raises(GrantRefused):
        Grant.read(key_from("another"), word, now=NOW)
