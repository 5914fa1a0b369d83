"""Markdown and code of strangers: cost grows with the text, and a deadline ends what still runs on."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator

import pytest

from hub.markup import code, markdown, processes, render
from tests.security.growth import assert_linear
from tests.security.hostile_text import CODE, LANGUAGES, MARKDOWN, Maker

# Takes minutes: each letter may begin the instruction that the expression looks for.
SLOW_CODE, SLOW_LANGUAGE = " " * 39_000 + "x", "adl"


@pytest.fixture(autouse=True)
def _uncached() -> Iterator[None]:
    render.cache.clear()
    yield
    render.cache.clear()


@pytest.mark.growth
class TestMarkdown:
    @pytest.mark.parametrize("maker", MARKDOWN.values(), ids=MARKDOWN.keys())
    def test_costs_what_its_length_says(self, maker: Maker) -> None:
        assert_linear(
            lambda text: markdown.render(text, mentions=True), maker, chars_max=markdown.TEXT_CHARS_MAX
        )


@pytest.mark.growth
class TestCode:
    # Expressions of these lexers scan what they have scanned before; the deadline bounds them.
    BACKTRACKS = frozenset({("javascript", "dots")})

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_costs_what_its_length_says(self, language: str) -> None:
        for name, maker in CODE.items():
            if (language, name) in self.BACKTRACKS:
                continue
            assert_linear(
                lambda text: code.coloured(text, language=language), maker, chars_max=code.COLOURED_CHARS_MAX
            )


class TestDeadline:
    @pytest.fixture(autouse=True)
    def _short(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(processes, "TEXT_SECONDS", 0.25)
        monkeypatch.setattr(processes, "CALL_SECONDS", 0.75)

    def test_ends_a_text_that_runs_on_and_shows_it_as_written(self) -> None:
        started = time.process_time()
        assert render.code(SLOW_CODE, language=SLOW_LANGUAGE) == SLOW_CODE
        assert time.process_time() - started < 0.5, "the work was done in this process"

    def test_is_not_waited_for_a_second_time(self) -> None:
        render.code(SLOW_CODE, language=SLOW_LANGUAGE)
        taken: list[object] = []
        original, processes.renderers.run = processes.renderers.run, taken.append  # type: ignore[assignment, method-assign]
        try:
            assert render.code(SLOW_CODE, language=SLOW_LANGUAGE) == SLOW_CODE
        finally:
            processes.renderers.run = original  # type: ignore[method-assign]
        assert taken == []

    def test_leaves_other_requests_of_the_process_alone(self) -> None:
        ticks: list[float] = []
        slow = threading.Thread(target=lambda: render.code(SLOW_CODE, language=SLOW_LANGUAGE))
        slow.start()
        html = render.markdown("*other*")
        while slow.is_alive():
            ticks.append(time.monotonic())
            slow.join(0.005)
        assert "<em>other</em>" in html
        gaps = [later - earlier for earlier, later in itertools.pairwise(ticks)]
        # A held interpreter lock would be one gap as long as the whole text.
        assert len(gaps) > 20
        assert max(gaps) < (ticks[-1] - ticks[0]) / 2

    def test_spares_the_other_texts_of_a_call(self) -> None:
        pieces = [
            render.Code("a = 1", "python"),
            render.Code(SLOW_CODE, SLOW_LANGUAGE),
            render.Code("b = 2", "python"),
        ]
        before, slow, after = render.code_all(pieces)
        assert "<span" in before
        assert slow == SLOW_CODE
        assert "<span" in after

    def test_is_shared_by_the_texts_of_a_call(self) -> None:
        pieces = [render.Code(SLOW_CODE + "x" * number, SLOW_LANGUAGE) for number in range(6)]
        started = time.monotonic()
        outcomes = processes.renderers.run([{"kind": "code", **piece._asdict()} for piece in pieces])
        assert [outcome.html for outcome in outcomes] == [None] * 6
        # The texts that were never begun may be tried again later.
        assert sum(not outcome.is_final for outcome in outcomes) == 3
        assert time.monotonic() - started < 6 * processes.SILENCE_SECONDS


class TestCache:
    def test_answers_the_same_text_without_a_renderer(self) -> None:
        first = render.markdown("# One\n")
        original, processes.renderers.run = processes.renderers.run, None  # type: ignore[assignment, method-assign]
        try:
            assert render.markdown("# One\n") == first
        finally:
            processes.renderers.run = original  # type: ignore[method-assign]

    def test_tells_parameters_apart(self) -> None:
        assert render.markdown("@ada") != render.markdown("@ada", mentions=True)
        one, two = markdown.Base(pages="/a/", files="/a/"), markdown.Base(pages="/b/", files="/b/")
        assert render.markdown("[x](y)", one) != render.markdown("[x](y)", two)

    def test_holds_a_bounded_number_of_characters(self) -> None:
        cache = render.Cache(10_000)
        for number in range(100):
            cache.put(b"%d" % number, "x" * 1000)
        assert cache.get(b"99") == (True, "x" * 1000)
        assert cache.get(b"0") == (False, None)
        assert sum(cache.get(b"%d" % number)[0] for number in range(100)) == 8
