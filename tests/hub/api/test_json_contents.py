"""Bodies with files: what they mean, however they are spelled and cut, and what they cost."""

from __future__ import annotations

import base64
import io
import json
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.api.base64_text import decoded
from hub.api.json import BodyTooLarge, MalformedBody
from hub.api.json_contents import CUT_BYTES, REST_BYTES_MAX, body_with_contents

MEBIBYTE = 1 << 20


def read(data: bytes, *, step: int = 1 << 16, limit: int = 1 << 30) -> tuple[dict[str, Any], list[bytes]]:
    """The body, and the files of its list in order."""
    stream = io.BytesIO(data)
    with body_with_contents(lambda size: stream.read(min(size, step)), limit=limit) as (body, contents):
        files = [b"".join(contents.base64(item.get("content", ""))) for item in body.get("files", [])]
    return body, files


def folded(data: bytes) -> str:
    """Base64 with line breaks, as OpenCSG's client sends it."""
    return base64.encodebytes(data).decode()


class TestBody:
    @given(
        files=st.lists(st.binary(max_size=300), max_size=4),
        message=st.text(max_size=40),
        step=st.integers(1, 70),
        indent=st.sampled_from([None, 2]),
    )
    def test_is_what_was_sent_wherever_it_is_cut(
        self, files: list[bytes], message: str, step: int, indent: int | None
    ) -> None:
        sent = {"files": [{"content": folded(data), "path": "a"} for data in files], "message": message}
        body, found = read(json.dumps(sent, indent=indent).encode(), step=step)
        assert (body["message"], found) == (message, files)

    @pytest.mark.parametrize(
        "message", ['"content": "aGk="', '\\"content":"', 'x"content" : "', '\\\\"content":"', "content"]
    )
    def test_is_not_misled_by_strings_that_look_like_content(self, message: str) -> None:
        sent = {"message": message, "files": [{"content": "aGk="}], message: 1}
        body, found = read(json.dumps(sent).encode(), step=3)
        assert (body["message"], body[message], found) == (message, 1, [b"hi"])

    def test_may_spell_the_name_with_escapes_or_put_blanks_before_the_string(self) -> None:
        data = b'{"files": [{"\\u0063ontent": "aGk="}, {"content":' + b" " * 3 * CUT_BYTES + b'"aGk="}]}'
        assert read(data, step=100)[1] == [b"hi", b"hi"]

    def test_gives_text_as_text(self) -> None:
        stream = io.BytesIO(json.dumps({"content": 'a"b\\\n\u4f60'}).encode())
        with body_with_contents(stream.read, limit=1000) as (body, contents):
            assert contents.text(body["content"]) == 'a"b\\\n\u4f60'
            assert contents.text("as it is") == "as it is"

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"[]",
            b"{",
            b'{"files": [{"content": "aGk=',
            b'{"files": [{"content": "aGk=\\',
            b'{"files": [{"content": "a*k="}]}',
            b'{"files": [{"content": "aGk=aGk="}]}',
            b'{"files": [{"content": "aGk"}]}',
            b'{"files": [{"content": "\\u00"}]}',
            b'{"files": [{"content": "\\u4f60"}]}',
            b'{"files": [{"content": "aGk\\b"}]}',
        ],
    )
    def test_that_makes_no_sense_is_refused(self, data: bytes) -> None:
        for step in (1, 2, 1 << 16):
            with pytest.raises(MalformedBody):
                read(data, step=step)

    def test_has_a_limit_and_so_has_what_is_no_content(self) -> None:
        data = json.dumps({"files": [{"content": "aGk="}]}).encode()
        with pytest.raises(BodyTooLarge):
            read(data, limit=len(data) - 1)
        with pytest.raises(MalformedBody, match="besides file content"):
            read(b'{"message": "' + b"x" * REST_BYTES_MAX + b'"}')

    def test_costs_no_memory_for_its_files(self) -> None:
        """64 MiB of files; the measure includes what each piece costs on its way."""
        text = base64.b64encode(bytes(3 * MEBIBYTE))

        def pieces() -> Iterator[bytes]:
            yield b'{"files": ['
            for number in range(16):
                yield (b", " if number else b"") + b'{"path": "a", "content": "'
                for at in range(0, len(text), 1 << 16):
                    yield text[at : at + (1 << 16)]
                yield b'"}'
            yield b"]}"

        body_pieces = pieces()
        tracemalloc.start()
        try:
            with body_with_contents(lambda _: next(body_pieces, b""), limit=1 << 30) as (body, contents):
                sizes = [sum(map(len, contents.base64(item["content"]))) for item in body["files"]]
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert sizes == [3 * MEBIBYTE] * 16
        assert peak < 4 * MEBIBYTE


class TestDecoded:
    @given(data=st.binary(max_size=400), step=st.integers(1, 50), escape=st.booleans())
    def test_is_the_same_for_every_cut(self, data: bytes, step: int, escape: bool) -> None:
        text = json.dumps(folded(data))[1:-1].replace("/", "\\/").encode()
        if escape:
            text = text.replace(b"A", b"\\u0041")
        assert b"".join(decoded(text[at : at + step] for at in range(0, len(text), step))) == data
