from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.revisions.facts import card, front_matter


def data_of(block: str) -> object:
    return front_matter.read(f"---\n{block}\n---\n# Title\n").data


class TestRead:
    def test_gives_the_metadata_and_the_text_below(self) -> None:
        read = front_matter.read("---\nlicense: mit\nlanguage:\n- zh\n- en\n---\n# 标题\n")
        assert read.data == {"license": "mit", "language": ["zh", "en"]}
        assert read.body == "# 标题\n"

    @pytest.mark.parametrize("text", ["", "# No metadata", "--\nlicense: mit\n--\n", "---\nlicense: mit\n"])
    def test_has_none_without_a_closed_block(self, text: str) -> None:
        assert front_matter.read(text) == front_matter.FrontMatter(None, text)

    def test_takes_an_empty_block(self) -> None:
        assert front_matter.read("---\n---\nx").data == {}
        assert front_matter.read("---\r\n\r\n---\r\nx").data == {}

    def test_reads_plain_words_as_version_1_2_of_yaml_does(self) -> None:
        assert data_of("language: no\ndate: 2024-01-01\ntime: 1:30\nflag: true\nn: 007\nf: 1e3") == {
            "language": "no",
            "date": "2024-01-01",
            "time": "1:30",
            "flag": True,
            "n": 7,
            "f": 1000.0,
        }

    def test_writes_short_aliases_out(self) -> None:
        assert data_of("a: &x [1, 2]\nb: *x") == {"a": [1, 2], "b": [1, 2]}

    def test_refuses_a_billion_laughs_quickly(self) -> None:
        lines = ["a0: &a0 [lol,lol,lol,lol,lol,lol,lol,lol,lol,lol]"]
        lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
        started = time.perf_counter()
        read = front_matter.read("---\n" + "\n".join(lines) + "\n---\n")
        assert read.data is None
        assert "aliases" in read.error
        assert time.perf_counter() - started < 2

    def test_refuses_merged_bombs(self) -> None:
        lines = ["a0: &a0 {x: 1, y: 2}"]
        lines += [f"a{n}: &a{n} {{<<: [{','.join([f'*a{n - 1}'] * 10)}]}}" for n in range(1, 12)]
        assert front_matter.read("---\n" + "\n".join(lines) + "\n---\n").data is None

    @pytest.mark.parametrize(
        "block",
        [
            "a: &a [*a]",
            "a: [" + "[" * 5000 + "]" * 5000 + "]",
            "- " * 3000 + "x",
            "\n".join(" " * depth + f"k{depth}:" for depth in range(1500)),
            "".join("- ? " for _ in range(2000)) + "x",
            "a: !!python/object/apply:os.system ['true']",
            "just words",
            "- a\n- b",
            "a: [1",
            "a: 'x",
            "? [a]\n: b\n*c : d",
            "\t\tx: 1",
        ],
    )
    def test_says_what_is_wrong_and_never_raises(self, block: str) -> None:
        read = front_matter.read(f"---\n{block}\n---\n")
        assert read.data is None
        assert read.error

    def test_keeps_nothing_that_a_database_refuses(self) -> None:
        read = data_of('a: "x\\0y"\nb: .nan\nc: .inf\n2: two\ntrue: yes')
        assert read == {"a": "xy", "b": None, "c": None, "2": "two", "true": "yes"}

    @given(st.text(max_size=400))
    def test_gives_json_or_an_error_for_any_text(self, text: str) -> None:
        read = front_matter.read(f"---\n{text}\n---\n")
        json.dumps(read.data, allow_nan=False).encode()


class TestProse:
    def test_leaves_the_words_of_a_card(self) -> None:
        body = (
            "# 通义 <img src=x>\n\nA [link](http://x) and `code`.\n\n| a | b |\n|---|---|\n```\nraw\n```\nEnd"
        )
        assert card.prose(body) == "通义\nA link and code.\nEnd"

    @pytest.mark.parametrize("piece", ["<!--", "[", "![", "`" * 3, "<", "(", "[x](", "|", "- "])
    def test_takes_linear_time(self, piece: str) -> None:
        started = time.perf_counter()
        card.prose(piece * 20_000)
        assert time.perf_counter() - started < 2
