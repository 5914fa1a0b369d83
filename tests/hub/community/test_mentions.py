from __future__ import annotations

import pytest

from hub.community.mentions import names_in


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Thanks @Ada and @bob-2!", ["ada", "bob-2"]),
        ("@ada @Ada @ADA", ["ada"]),
        ("(@ada), @bob. @carl…", ["ada", "bob", "carl"]),
        ("write to ada@example.org", []),
        ("`@ada` and\n```\n@bob\n```\n@carl", ["carl"]),
        ("```\n@ada is in code that nobody closed", []),
        ("see https://example.org/@ada", []),
        ("你好 @通义 @ada", ["ada"]),
        ("", []),
    ],
)
def test_finds_each_mentioned_name_once_and_none_in_code(text: str, names: list[str]) -> None:
    assert names_in(text) == names


def test_stops_at_fifty_names() -> None:
    assert len(names_in(" ".join(f"@user{number}" for number in range(200)))) == 50
