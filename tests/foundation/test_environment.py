from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from foundation import environment as env
from foundation.environment import VariableInvalid

ROOT = Path(__file__).resolve().parents[2]
NAME = "BAZAAR_OF_A_TEST"


def give(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    if value is not None:
        monkeypatch.setenv(NAME, value)


class TestFile:
    def give(self, monkeypatch: pytest.MonkeyPatch, path: Path, content: bytes | None = None) -> None:
        if content is not None:
            path.write_bytes(content)
        monkeypatch.setenv(f"{NAME}_FILE", str(path))

    def test_holds_the_value_and_counts_before_the_variable(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv(NAME, "of the variable")
        self.give(monkeypatch, tmp_path / "value", b" of the file \n")
        assert env.text(NAME) == "of the file"

    def test_may_hold_a_value_of_any_kind(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        self.give(monkeypatch, tmp_path / "value", b"17\n")
        assert env.integer(NAME, default=1) == 17
        self.give(monkeypatch, tmp_path / "value", b"no\n")
        assert env.flag(NAME, default=True) is False

    def test_without_a_name_is_not_looked_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(f"{NAME}_FILE", "")
        assert env.text(NAME, default="default") == "default"

    @pytest.mark.parametrize("content", [None, b"\xff\xfe"])
    def test_that_cannot_be_read_is_named(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None
    ) -> None:
        self.give(monkeypatch, tmp_path / "value", content)
        with pytest.raises(
            VariableInvalid, match=f"^{NAME}_FILE must name a readable file of text, not .*value'"
        ):
            env.text(NAME)

    def test_with_a_wrong_value_is_named_without_it(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        self.give(monkeypatch, tmp_path / "value", b"a secret")
        with pytest.raises(VariableInvalid, match=f"^{NAME}_FILE: the text must be a whole number\\.$"):
            env.integer(NAME, default=1)


class TestFlag:
    @pytest.mark.parametrize(
        ("value", "meant"),
        [
            *((word, True) for word in ("1", "true", "YES", " on ")),
            *((word, False) for word in ("0", "False", "no", "off")),
        ],
    )
    def test_is_a_word(self, monkeypatch: pytest.MonkeyPatch, value: str, meant: bool) -> None:
        give(monkeypatch, value)
        assert env.flag(NAME, default=not meant) is meant

    @pytest.mark.parametrize("value", [None, "", " "])
    def test_that_is_empty_is_not_set(self, monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
        give(monkeypatch, value)
        assert env.flag(NAME, default=True)
        assert not env.flag(NAME)


class TestInteger:
    @pytest.mark.parametrize(("value", "number"), [("5", 5), (" 12 ", 12), ("0", 0), ("", 7), (None, 7)])
    def test_is_read(self, monkeypatch: pytest.MonkeyPatch, value: str | None, number: int) -> None:
        give(monkeypatch, value)
        assert env.integer(NAME, default=7) == number


class TestWords:
    @pytest.mark.parametrize(
        ("value", "items"), [("a, b ,,c", ["a", "b", "c"]), (",", []), ("", []), (None, ["x", "y"])]
    )
    def test_are_separated_by_commas(
        self, monkeypatch: pytest.MonkeyPatch, value: str | None, items: list[str]
    ) -> None:
        give(monkeypatch, value)
        assert env.words(NAME, default="x,y") == items


class TestText:
    @pytest.mark.parametrize(("value", "text"), [(" as it is ", " as it is "), ("", ""), (None, "usual")])
    def test_is_as_given(self, monkeypatch: pytest.MonkeyPatch, value: str | None, text: str) -> None:
        give(monkeypatch, value)
        assert env.text(NAME, default="usual") == text


class TestBadValues:
    def test_give_one_sentence_that_names_the_variable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        give(monkeypatch, "perhaps")
        told = []
        for read in (
            lambda: env.flag(NAME),
            lambda: env.integer(NAME, default=1),
            lambda: env.choice(NAME, ("NOW", "NEVER"), default="NOW"),
        ):
            with pytest.raises(VariableInvalid) as caught:
                read()
            told.append(str(caught.value))
        assert told == [
            f"{NAME} must be yes or no, not 'perhaps'.",
            f"{NAME} must be a whole number, not 'perhaps'.",
            f"{NAME} must be one of NOW, NEVER, not 'perhaps'.",
        ]

    def test_are_numbers_below_the_least(self, monkeypatch: pytest.MonkeyPatch) -> None:
        give(monkeypatch, "0")
        with pytest.raises(VariableInvalid, match=f"^{NAME} must be at least 1, not '0'.$"):
            env.integer(NAME, default=1, at_least=1)
        give(monkeypatch, "-1")
        with pytest.raises(VariableInvalid, match=f"^{NAME} must be at least 0, not '-1'.$"):
            env.integer(NAME, default=1)

    @pytest.mark.parametrize(
        "words",
        [
            ["manage.py", "check"],
            ["-m", "bazaar", "doctor"],
            ["-m", "bazaar.server.web"],
            ["-m", "compute_market.ssh"],
        ],
        ids=" ".join,
    )
    def test_end_each_program_with_the_sentence_and_nothing_else(
        self, words: list[str], tmp_path: Path
    ) -> None:
        environment = {**os.environ, "BAZAAR_DATA_DIR": str(tmp_path), "BAZAAR_RATE_USER": "lots"}
        environment |= {"DJANGO_SETTINGS_MODULE": "bazaar.settings.dev", "BAZAAR_WEB_THREADS": "lots"}
        ended = subprocess.run(
            [sys.executable, *words], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        variable = "BAZAAR_WEB_THREADS" if words[-1].endswith("web") else "BAZAAR_RATE_USER"
        assert (ended.returncode, ended.stdout) == (2, "")
        assert ended.stderr == f"{variable} must be a whole number, not 'lots'.\n"
