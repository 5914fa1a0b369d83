from __future__ import annotations

import base64
import io
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from hub.api.json import BodyTooLarge, MalformedBody
from hub.api.ndjson import NdjsonReader


def body(*lines: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def read(data: bytes, *, step: int = 1 << 16) -> list[tuple[str, dict[str, Any], bytes | None]]:
    stream = io.BytesIO(data)
    return [
        (line.key, line.value, None if line.content is None else b"".join(line.content))
        for line in NdjsonReader(lambda size: stream.read(min(size, step)))
    ]


def file_line(path: str, data: bytes, **extra: Any) -> dict[str, Any]:
    return {"key": "file", "value": {"path": path, "content": base64.b64encode(data).decode(), **extra}}


class TestNdjsonReader:
    def test_reads_lines_and_content(self) -> None:
        data = body(
            {"key": "header", "value": {"summary": "s"}},
            file_line("a", b"hello", encoding="base64"),
            {"key": "deletedFile", "value": {"path": "b"}},
        )
        assert read(data) == [
            ("header", {"summary": "s"}, None),
            ("file", {"path": "a", "encoding": "base64"}, b"hello"),
            ("deletedFile", {"path": "b"}, None),
        ]

    def test_takes_content_before_path(self) -> None:
        line = b'{"value": {"content": "aGk=", "path": "a"}, "key": "file"}'
        assert read(line) == [("file", {"path": "a"}, b"hi")]

    def test_skips_empty_lines_and_needs_no_last_newline(self) -> None:
        assert read(b'\n\n{"key": "header", "value": {}}\r\n \n{"key": "x", "value": {}}') == [
            ("header", {}, None),
            ("x", {}, None),
        ]

    def test_leaves_off_content_that_nobody_reads(self) -> None:
        reader = NdjsonReader(io.BytesIO(body(file_line("a", b"x" * 300_000), file_line("b", b"y"))).read)
        assert [line.value["path"] for line in reader] == ["a", "b"]

    @given(st.lists(st.binary(max_size=300), max_size=5), st.integers(1, 50))
    def test_gives_back_what_was_sent_however_the_network_cuts_it(
        self, files: list[bytes], step: int
    ) -> None:
        data = body(*(file_line(f"f{number}", content) for number, content in enumerate(files)))
        assert [content for _, _, content in read(data, step=step)] == files

    @pytest.mark.parametrize(
        "data",
        [
            b"not json\n",
            b"[1, 2]\n",
            b'"text"\n',
            b'{"value": {}}\n',
            b'{"key": 1, "value": {}}\n',
            b'{"key": "file", "value": [1]}\n',
            b'{"key": "file", "value": {"path": "a", "content": "aGk',
            b'{"key": "file", "value": {"path": "a", "content": "aGk="',
            b'{"key": "file", "value": {"path": "a", "content": "!!!!"}}\n',
            b'{"key": "file", "value": {"path": "a", "content": "aGk"}}\n',
            b'{"key": "header", "value": {"summary": "' + b"x" * 3_000_000 + b'"}}\n',
            b"\xff\xfe\n",
        ],
    )
    def test_refuses_what_is_cut_huge_or_not_json(self, data: bytes) -> None:
        with pytest.raises(MalformedBody):
            read(data)

    @pytest.mark.parametrize(
        ("before", "behind"),
        [(b'"path": "a", ', b""), (b"", b', "path": "a"')],
        ids=["path first", "path last"],
    )
    def test_holds_a_large_file_in_flat_memory(
        self, before: bytes, behind: bytes, settings: Settings, tmp_path: Path
    ) -> None:
        settings.TEMP_ROOT = tmp_path
        encoded = base64.b64encode(b"x" * 30_000_000)
        stream = io.BytesIO(
            b'{"key": "file", "value": {' + before + b'"content": "' + encoded + b'"' + behind + b"}}\n"
        )
        tracemalloc.start()
        try:
            total = sum(len(piece) for line in NdjsonReader(stream.read) for piece in line.content or ())
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert total == 30_000_000
        assert peak < 4_000_000
        assert not list(tmp_path.iterdir())

    def test_refuses_more_than_a_push_and_more_text_than_it_may_hold(self, settings: Settings) -> None:
        settings.GIT_PUSH_BYTES_MAX = 1_000_000
        with pytest.raises(BodyTooLarge):
            read(body(file_line("a", b"x" * 2_000_000)))
        settings.GIT_PUSH_BYTES_MAX = 1 << 30
        lines = body(*[{"key": "deletedFile", "value": {"path": "b" * 900_000}}] * 80)
        with pytest.raises(MalformedBody):
            read(lines)
